"""Many slices of one served surface, evaluated together: one call where each slice by itself would take one.

What belongs here: prices, total variance, derivatives, strikes by delta, quantiles and fair variance of
points that belong to different slices. What does not: one slice (``slice``), what smile metrics mean
(``skew``, ``variance``), whose values these are to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from periscope_analytics import black
from periscope_analytics.bracket import chandrupatla
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.kernels.slice_law import bspline
from periscope_analytics.skew import FURTHEST, TOLERANCE
from periscope_analytics.slice import QUANTILE_POINTS, WING, SliceParams, gaussian_inverse, geometry
from periscope_analytics.variance import FURTHEST as STRIP_END
from periscope_analytics.variance import rule

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class Smiles:
    """Slices on one grid; vols are equal to those of each slice by itself to the last bit.

    Every method takes the numbers of slices and log-moneynesses as arrays of one shape, (m,), and returns
    arrays of that shape.

    Parameters
    ----------
    slices : sequence of SliceParams
        Any order, at least one.

    Raises
    ------
    ValueError
        If there is none, or their grids differ.
    """

    def __init__(self, slices: Sequence[SliceParams]) -> None:
        if not slices or any(each.grid != slices[0].grid for each in slices):
            raise ValueError("slices: expected at least one, all on the same grid")
        laws = [each.law for each in slices]
        self._knots = geometry(slices[0].grid).knots
        self._mass = np.array([law.mass for law in laws])
        self._control = np.array([(law.put, law.call) for law in laws])
        self._below = np.cumsum(self._mass, axis=1)
        self._above = np.cumsum(self._mass[:, ::-1], axis=1)[:, ::-1]
        self._ends = WING * np.array([slices[0].grid.k_min, slices[0].grid.k_max])
        self.taus = np.array([each.tau for each in slices])
        self.scales = np.array([each.scale for each in slices])
        self.atm_total_variance = np.array([each.atm_total_variance for each in slices])
        rows = np.repeat(np.arange(len(slices)), 2)
        ends = np.tile(self._ends, len(slices))
        self._slopes = (self._inner_variance(rows, ends) / np.abs(ends)).reshape(-1, 2)

    def __len__(self) -> int:
        return self.taus.size

    @np.errstate(all="ignore")
    def total_variance(self, row: Rows, k: Floats) -> Floats:
        """Return Black total variance; proportional to abs(k) beyond the wings."""
        inside = self._inside(k)
        return np.where(inside == k, self._inner_variance(row, inside), self._slope(row, k) * np.abs(k))

    def iv(self, row: Rows, k: Floats) -> Floats:
        """Return implied vols, decimals."""
        return np.asarray(np.sqrt(self.total_variance(row, k) / self.taus[row]))

    @np.errstate(all="ignore")
    def derivatives(self, row: Rows, k: Floats, w: Floats) -> tuple[Floats, Floats]:
        """Return the first and second derivative of total variance in `k`, where that is `w`."""
        inside = self._inside(k)
        root = np.sqrt(w)
        d2 = -k / root - 0.5 * root
        weight = 2.0 * root * np.sqrt(2.0 * np.pi) * np.exp(0.5 * d2**2)
        below, above = self._probabilities(row, inside)
        first = weight * np.where(k < 0.0, below - ndtr(-d2), ndtr(d2) - above)
        first = np.where(inside == k, first, np.sign(k) * self._slope(row, k))
        lean = (1.0 - 0.5 * k * first / w) ** 2 - 0.25 * first**2 * (1.0 / w + 0.25)
        g = self._density(row, inside) * gaussian_inverse(inside, w)
        return first, np.where(inside == k, 2.0 * (g - lean), 0.0)

    @np.errstate(all="ignore")
    def strikes(self, row: Rows, target: Floats) -> Floats:
        """Return the log-moneyness at which d1 is `target`; NaN where it is not reached within 50.

        As :func:`~periscope_analytics.skew.strike_for_delta` of each slice.
        """
        low, high = self._bracket(row, target)
        k, _ = chandrupatla(
            lambda at, which: self._d1(row[which], at) - target[which],
            low, high, self._d1(row, low) - target, self._d1(row, high) - target, TOLERANCE,
        )  # fmt: skip
        return k

    @np.errstate(all="ignore")
    def delta_gain(self, row: Rows, k: Floats) -> Floats:
        """Return how much the vol at the fixed delta of `k` moves when the smile there moves by one.

        As :func:`~periscope_analytics.skew.delta_gain` of each slice.
        """
        w = self.total_variance(row, k)
        root = np.sqrt(w)
        first, _ = self.derivatives(row, k, w)
        return np.asarray(1.0 / (1.0 - first / (2.0 * root) * (0.5 * root + k / root)))

    @np.errstate(all="ignore")
    def quantiles(self, p: Floats) -> Floats:
        """Return the quantiles of S / F of every slice, shape (n, p.size).

        As :meth:`~periscope_analytics.slice.SliceParams.quantile`: linear in k between 2,000 points.
        """
        n, last = len(self), QUANTILE_POINTS - 1
        row, wanted = np.repeat(np.arange(n), p.size), np.tile(p, n)
        scale = self.scales[row]
        low, high = (np.arcsinh(end / scale) for end in self._ends)

        def point(at: Rows) -> Floats:
            return np.asarray(scale * np.sinh(low + (high - low) / last * at))

        left, right = np.zeros(row.size, np.intp), np.full(row.size, last, np.intp)
        while np.any(right - left > 1):
            middle = (left + right) // 2
            short = self._probabilities(row, point(middle))[0] <= wanted
            left, right = np.where(short, middle, left), np.where(short, right, middle)
        k0, k1 = point(left), point(right)
        p0, p1 = self._probabilities(row, k0)[0], self._probabilities(row, k1)[0]
        share = np.clip((wanted - p0) / (p1 - p0), 0.0, 1.0)
        return np.asarray(np.exp(k0 + share * (k1 - k0)).reshape(n, p.size))

    @np.errstate(all="ignore")
    def fair_variances(self) -> Floats:
        """Return the fair variance per year of every slice; NaN where a smile is degenerate.

        As :func:`~periscope_analytics.variance.from_slice`, with prices where that has their vols' prices.
        """
        nodes, weights = rule()
        scale = np.sqrt(self.atm_total_variance)[:, None]
        most = np.arcsinh(STRIP_END / scale)
        u, du = 0.5 * most * (nodes + 1.0), 0.5 * most * weights
        reach, measure = scale * np.sinh(u), du * scale * np.cosh(u)
        k = np.concatenate([-reach, reach], axis=1)
        row = np.repeat(np.arange(len(self)), k.shape[1])
        worth = (self.otm_price(row, k.ravel()) * np.exp(-k.ravel())).reshape(k.shape)
        total = np.sum(np.concatenate([measure, measure], axis=1) * worth, axis=1)
        fair = 2.0 * total / self.taus
        return np.where(np.isfinite(fair), fair, np.nan)

    @np.errstate(all="ignore")
    def otm_price(self, row: Rows, k: Floats) -> Floats:
        """Return undiscounted out-of-the-money prices in units of the forward, wings included."""
        beyond = self._inside(k) != k
        price = np.empty(k.size)
        price[~beyond] = self._inner_price(row[~beyond], k[~beyond])
        far = k[beyond]
        root = np.sqrt(self._slope(row[beyond], far) * np.abs(far))
        price[beyond] = black.price(1.0, np.exp(far), 1.0, root, far > 0.0)
        return price

    @np.errstate(all="ignore")
    def blended(self, control: Floats, row: Rows, k: Floats) -> Floats:
        """Return splines of columns of control points, shape (n, points, r), at points: shape (m, r)."""
        at, weight = self._located(k, 4)
        out = weight[:, :1] * control[row, at[:, 0]]
        for column in range(1, 4):
            out += weight[:, column : column + 1] * control[row, at[:, column]]
        return np.asarray(out)

    def _inside(self, k: Floats) -> Floats:
        return np.clip(k, self._ends[0], self._ends[1])

    def _slope(self, row: Rows, k: Floats) -> Floats:
        return np.asarray(self._slopes[row, (k >= 0.0).astype(np.intp)])

    def _located(self, k: Floats, columns: int) -> tuple[NDArray[np.int64], Floats]:
        first, weight = np.empty(k.size, np.int64), np.empty((k.size, columns))
        bspline(self._knots, np.exp(k), first, weight)
        return first[:, None] + np.arange(columns), weight

    def _inner_price(self, row: Rows, k: Floats) -> Floats:
        at, weight = self._located(k, 4)
        base = (2 * row + (k >= 0.0)) * self._mass.shape[1] + at[:, 0]
        flat = self._control.ravel()
        total = weight[:, 0] * flat[base]
        for column in range(1, 4):
            total += weight[:, column] * flat[base + column]
        return np.asarray(total)

    def _inner_variance(self, row: Rows, k: Floats) -> Floats:
        price = self._inner_price(row, k)
        return np.asarray(implied_vol(price, 1.0, np.exp(k), 1.0, k >= 0.0).sigma) ** 2

    def _probabilities(self, row: Rows, k: Floats) -> tuple[Floats, Floats]:
        """Return the probabilities that ln(S / F) ends below and above k."""
        at, weight = self._located(k, 3)
        below, above = self._below[row[:, None], at], self._above[row[:, None], at + 1]
        return np.einsum("ia,ia->i", weight, below), np.einsum("ia,ia->i", weight, above)

    def _density(self, row: Rows, k: Floats) -> Floats:
        strike = np.exp(k)
        at = self._located(k, 1)[0][:, 0]
        left, right = self._knots[at + 3], self._knots[at + 4]
        share = (strike - left) / (right - left)
        low = 2.0 * self._mass[row, at + 1] / (self._knots[at + 4] - self._knots[at + 2])
        high = 2.0 * self._mass[row, at + 2] / (self._knots[at + 5] - self._knots[at + 3])
        return np.asarray(strike * (low + share * (high - low)))

    def _d1(self, row: Rows, k: Floats) -> Floats:
        root = np.sqrt(self.total_variance(row, k))
        return np.asarray(-k / root + 0.5 * root)

    def _bracket(self, row: Rows, target: Floats) -> tuple[Floats, Floats]:
        """Return log-moneyness on both sides of each target, stepping out from the money by doubling."""
        high = np.sqrt(self.atm_total_variance)[row]
        low = -high
        while True:
            short_left = (self._d1(row, low) < target) & (low > -FURTHEST)
            short_right = (self._d1(row, high) > target) & (high < FURTHEST)
            if not (short_left.any() or short_right.any()):
                return low, high
            low = np.where(short_left, np.maximum(2.0 * low, -FURTHEST), low)
            high = np.where(short_right, np.minimum(2.0 * high, FURTHEST), high)
