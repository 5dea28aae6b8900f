"""Surfaces: from forwards to implied vols, slices and what is read off them.

What belongs here: one module each for ``implied_vols`` (vols), ``vol_surface`` (slices) and ``skew_metrics``
(skew). What does not: model fits (``models``).
"""
