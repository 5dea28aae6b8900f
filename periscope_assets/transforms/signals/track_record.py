"""Track record: hit rate and mean edge of many scores, with intervals and false-discovery control.

What belongs here: statistics of ``signal_scores``. What does not: scoring a signal (``scorecard``).

References
----------
E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", J. American
Statistical Association 22; Y. Benjamini, D. Yekutieli (2001), "The control of the false discovery rate in
multiple testing under dependency", Annals of Statistics 29(4).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from periscope_assets.transforms.frames import Floats

KEY = ["basis", "generator", "signal_state", "horizon_sessions"]
LEVEL = 0.95
DISCOVERY_RATE = 0.05

_LEAST_SESSIONS = 3


def track_record(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each basis, generator, state and horizon.

    Scores of one session share its market, so that means and their errors are over sessions' means, and their
    number is the sample size. `p_value` is of a mean net move of zero or less, one-sided; `is_discovery`
    holds where it stands after the correction of Benjamini and Yekutieli at 5 % over all rows, which allows
    for any dependence between them.

    Parameters
    ----------
    scores : DataFrame
        Rows of ``signal_scores``; those with status ok count.

    Returns
    -------
    DataFrame
        KEY, n_scores, n_sessions, hit_rate with hit_low and hit_high, mean_net_bps with net_low_bps and
        net_high_bps (95 %), p_value, is_discovery. Below three sessions intervals and p-value are absent.
    """
    known = scores[scores["status"] == "ok"]
    rows = [{**dict(zip(KEY, key, strict=True)), **_figures(group)} for key, group in known.groupby(KEY)]
    frame = pd.DataFrame(rows, columns=[*KEY, *_FIGURES])
    return frame.assign(is_discovery=_discoveries(frame["p_value"].to_numpy(dtype=np.float64)))


def _figures(group: pd.DataFrame) -> dict[str, float]:
    by_session = group.groupby("signal_as_of")
    net = 1e4 * by_session["net_iv"].mean().to_numpy(dtype=np.float64)
    hits = by_session["is_hit"].agg(lambda each: each.astype("float64").mean()).to_numpy(dtype=np.float64)
    n = len(net)
    low, high = _wilson(float(hits.mean()), n)
    found = {
        "n_scores": len(group),
        "n_sessions": n,
        "hit_rate": float(hits.mean()),
        "mean_net_bps": float(net.mean()),
    }
    if n < _LEAST_SESSIONS:
        return found
    error = float(net.std(ddof=1)) / np.sqrt(n)
    reach = float(t.ppf(0.5 + LEVEL / 2, n - 1)) * error
    p_value = float(t.sf(net.mean() / error, n - 1)) if error > 0.0 else float(net.mean() <= 0.0)
    return found | {
        "hit_low": low,
        "hit_high": high,
        "net_low_bps": float(net.mean()) - reach,
        "net_high_bps": float(net.mean()) + reach,
        "p_value": p_value,
    }


def _wilson(share: float, n: int) -> tuple[float, float]:
    z = float(norm.ppf(0.5 + LEVEL / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return float(middle - reach), float(middle + reach)


def _discoveries(p_values: Floats) -> np.ndarray:
    """Mark the p-values that stand under Benjamini and Yekutieli's step-up procedure; absent ones don't."""
    known = np.flatnonzero(np.isfinite(p_values))
    out = np.zeros(len(p_values), np.bool_)
    if not len(known):
        return out
    order = known[np.argsort(p_values[known])]
    m = len(order)
    bars = DISCOVERY_RATE * np.arange(1, m + 1) / (m * np.sum(1.0 / np.arange(1, m + 1)))
    passed = np.flatnonzero(p_values[order] <= bars)
    if len(passed):
        out[order[: passed[-1] + 1]] = True
    return out


_FIGURES = (
    *("n_scores", "n_sessions", "hit_rate", "hit_low", "hit_high"),
    *("mean_net_bps", "net_low_bps", "net_high_bps", "p_value"),
)
