"""Where data comes from, how it is made, where it rests. Nothing is imported here; start at ``definitions``."""
