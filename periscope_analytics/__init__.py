"""Pure mathematics of option surfaces, and the domain's vocabulary.

What belongs here: prices, implied vols, forwards, smiles, surfaces, models and their calibration, as
functions of NumPy arrays. What does not: input and output, pandas, Dagster, clocks, environment variables,
random state that is not an argument.
"""
