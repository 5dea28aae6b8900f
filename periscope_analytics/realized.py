"""Realised volatility from daily bars.

What belongs here: the classical estimators over a rolling window, and how they are spread. What does not:
models of volatility (``calibration``), corporate actions (the bars come adjusted).

All functions return annualised vols as decimals, with 252 sessions a year, of the shape of the bars: NaN
for the first rows, whose window is not full, and for windows that hold a bar that is absent or impossible
(not positive, or high and low that do not enclose open and close).

References
----------
M. Parkinson (1980), J. Business 53, eq. 7; M. Garman, M. Klass (1980), J. Business 53, eq. 19a in the form
with high/low and open/close; L. C. G. Rogers, S. Satchell (1991), Ann. Appl. Probab. 1, eq. 3; D. Yang, Q.
Zhang (2000), J. Business 73, eq. 11.
"""

# ruff: noqa: A002 - a bar has an open, whatever Python calls so

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from periscope_analytics.arguments import Floats, floats

SESSIONS_PER_YEAR = 252.0


def close_to_close(
    open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, window: int
) -> NDArray[np.float64]:
    """Return the standard deviation of log returns from close to close, with their mean removed.

    Parameters
    ----------
    open, high, low, close : array_like, shape (n,)
        Only `close` is used.
    window : int
        Returns per estimate, at least 2; the first estimate stands at row `window`.

    Raises
    ------
    ValueError
        If the window is too short, or the columns are not of one length.
    """
    _, _, _, c = _bars(open, high, low, close, window, least=2)
    returns = np.append(np.nan, np.diff(c)) if len(c) else c
    return _annual(_rolling_variance(returns, window))


def parkinson(
    open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, window: int
) -> NDArray[np.float64]:
    """Return Parkinson's vol from the range of high and low; without drift or gaps between sessions.

    Parameters and errors as in :func:`close_to_close`; a window of 1 is enough.
    """
    _, h, low_, _ = _bars(open, high, low, close, window)
    return _annual(_rolling_mean((h - low_) ** 2 / (4.0 * np.log(2.0)), window))


def garman_klass(
    open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, window: int
) -> NDArray[np.float64]:
    """Return Garman and Klass's vol from range and close; without drift or gaps between sessions.

    Parameters and errors as in :func:`close_to_close`; a window of 1 is enough.
    """
    o, h, low_, c = _bars(open, high, low, close, window)
    daily = 0.5 * (h - low_) ** 2 - (2.0 * np.log(2.0) - 1.0) * (c - o) ** 2
    return _annual(_rolling_mean(daily, window))


def rogers_satchell(
    open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, window: int
) -> NDArray[np.float64]:
    """Return Rogers and Satchell's vol, right under any drift; without gaps between sessions.

    Parameters and errors as in :func:`close_to_close`; a window of 1 is enough.
    """
    return _annual(_rolling_mean(_rogers_satchell(*_bars(open, high, low, close, window)), window))


def yang_zhang(
    open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, window: int
) -> NDArray[np.float64]:
    """Return Yang and Zhang's vol, right under drift and gaps.

    The variance is overnight + k open-to-close + (1 - k) Rogers-Satchell, k = 0.34 / (1.34 + (window + 1) /
    (window - 1)). Parameters and errors as in :func:`close_to_close`.
    """
    o, h, low_, c = _bars(open, high, low, close, window, least=2)
    overnight = np.append(np.nan, o[1:] - c[:-1]) if len(c) else c
    k = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    within = _rolling_mean(_rogers_satchell(o, h, low_, c), window)
    variance = (
        _rolling_variance(overnight, window) + k * _rolling_variance(c - o, window) + (1.0 - k) * within
    )
    return _annual(variance)


@np.errstate(all="ignore")
def cone(vol: ArrayLike, quantiles: ArrayLike = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)) -> NDArray[np.float64]:
    """Return the quantiles of the estimates of one window that are present; a row of a volatility cone.

    Parameters
    ----------
    vol : array_like, shape (n,)
        What an estimator returned.
    quantiles : array_like, shape (m,)
        In [0, 1].

    Returns
    -------
    ndarray, shape (m,)
        NaN where there is no estimate.

    Raises
    ------
    ValueError
        If a quantile is not in [0, 1].
    """
    levels, estimates = floats("quantiles", quantiles), floats("vol", vol)
    if not np.all((levels >= 0.0) & (levels <= 1.0)):
        raise ValueError("quantiles: expected numbers in [0, 1]")
    present = estimates[np.isfinite(estimates)]
    return np.asarray(np.quantile(present, levels) if len(present) else np.full(levels.shape, np.nan))


def _bars(
    open: ArrayLike, high: ArrayLike, low: ArrayLike, close: ArrayLike, window: int, least: int = 1
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the logs of the bars, NaN throughout a bar that is impossible."""
    if window < least:
        raise ValueError(f"window: must be at least {least}, got {window}")
    names = ("open", "high", "low", "close")
    o, h, low_, c = (floats(name, value) for name, value in zip(names, (open, high, low, close), strict=True))
    if o.ndim != 1 or any(column.shape != o.shape for column in (h, low_, c)):
        raise ValueError(f"{', '.join(names)}: expected columns of one length")
    with np.errstate(all="ignore"):
        sound = (low_ > 0) & (low_ <= np.minimum(o, c)) & (h >= np.maximum(o, c)) & (h < np.inf)
        o, h, low_, c = (np.where(sound, np.log(column), np.nan) for column in (o, h, low_, c))
    return o, h, low_, c


def _rogers_satchell(o: Floats, h: Floats, low: Floats, c: Floats) -> Floats:
    return np.asarray((h - c) * (h - o) + (low - c) * (low - o))


def _rolling_mean(daily: Floats, window: int) -> Floats:
    out = np.full(len(daily), np.nan)
    if len(daily) >= window:
        out[window - 1 :] = np.mean(sliding_window_view(daily, window), axis=-1)
    return out


def _rolling_variance(daily: Floats, window: int) -> Floats:
    out = np.full(len(daily), np.nan)
    if len(daily) >= window:
        out[window - 1 :] = np.var(sliding_window_view(daily, window), axis=-1, ddof=1)
    return out


def _annual(variance: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(variance * SESSIONS_PER_YEAR))
