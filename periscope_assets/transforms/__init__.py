"""How data is made: one module per stage, plain functions from frames to frames.

What belongs here: the decision what is published and what is rejected. What does not: reading, writing,
Dagster, clocks.
"""
