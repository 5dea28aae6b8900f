"""Models: parameters fitted to a surface or to its history, and how far models agree.

What belongs here: one module each for ``heston_fit``, ``sabr_fit``, ``ou_fit`` and ``model_bands``. What does
not: the models and their optimisers (``periscope_analytics``), what follows for trading (``signals``).
"""
