"""SABR: the smile of one expiry in Hagan's lognormal approximation.

What belongs here: parameters and vols. What does not: the formula (``kernels.sabr``), the fit
(``calibration.sabr``).

References
----------
P. Hagan, D. Kumar, A. Lesniewski, D. Woodward (2002), "Managing smile risk", Wilmott, September, 84-108, eq.
2.17.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import not_negative, together
from periscope_analytics.kernels.sabr import vols

Floats = NDArray[np.float64]
_INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class SABRParams:
    """Parameters of the SABR model ``dF = a (F + shift)^beta dW``, ``da = nu a dZ``, ``d<W, Z> = rho dt``.

    Attributes
    ----------
    alpha : float
        Initial level; positive.
    beta : float
        Elasticity, in [0, 1].
    rho : float
        Correlation, in (-1, 1).
    nu : float
        Vol of vol; not negative.
    shift : float
        Added to forward and strike; the vols are then those of the shifted forward.

    Raises
    ------
    ValueError
        If a parameter is outside its range or not finite, naming it.
    """

    alpha: float
    beta: float
    rho: float
    nu: float
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < _INFINITY:
            raise ValueError(f"alpha: must be finite and positive, got {self.alpha}")
        if not 0.0 <= self.beta <= 1.0:
            raise ValueError(f"beta: must lie in [0, 1], got {self.beta}")
        if not -1.0 < self.rho < 1.0:
            raise ValueError(f"rho: must lie between -1 and 1, got {self.rho}")
        if not 0.0 <= self.nu < _INFINITY:
            raise ValueError(f"nu: must be finite and not negative, got {self.nu}")
        if not -_INFINITY < self.shift < _INFINITY:
            raise ValueError(f"shift: must be finite, got {self.shift}")

    def implied_vol(self, forward: ArrayLike, strike: ArrayLike, tau: ArrayLike) -> Floats:
        """Return lognormal (Black) vols of the shifted forward.

        Parameters
        ----------
        forward, strike : array_like
            In one unit.
        tau : array_like
            Years.

        Returns
        -------
        ndarray
            Decimal, of the broadcast shape; NaN where a value is not finite, forward or strike plus shift is
            not positive, or the expansion turns negative, which it does far out at long maturities.

        Raises
        ------
        ValueError
            If tau is negative or shapes do not broadcast.
        """
        f, x, t = together(forward=forward, strike=strike, tau=tau)
        not_negative("tau", t)
        f, x = f + self.shift, x + self.shift
        known = (f > 0.0) & (x > 0.0) & np.isfinite(f) & np.isfinite(x) & np.isfinite(t)
        found = np.empty(int(known.sum()))
        vols(
            f[known],
            x[known],
            t[known],
            self.alpha,
            self.beta,
            self.rho,
            self.nu,
            found,
            np.empty((3, found.size)),
        )
        out = np.full(f.shape, np.nan)
        out[known] = np.where(np.isfinite(found) & (found >= 0.0), found, np.nan)
        return out
