"""Where data comes from, how it is made, where it rests. Imports nothing; start at ``definitions``."""
