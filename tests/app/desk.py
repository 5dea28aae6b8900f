"""A desk's worth of published data around the small market: signals, scores, positioning, vendors' vols.

Everything that a stage can compute from the market's frames is computed by that stage.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

import numpy as np
import pandas as pd

from periscope_assets.store.repository import Draft
from periscope_assets.transforms.surfaces import positioning
from tests.app import market

FEBRUARY = datetime(2026, 2, 20, 14, 30, tzinfo=UTC)
RAW_LINES = 4000
SESSIONS = 4
_DAY = timedelta(days=1)


def raw_bytes() -> bytes:
    """A raw file with as many lines as the chain has rows."""
    return "".join(f"raw line {number},of the vendor\n" for number in range(1, RAW_LINES + 1)).encode()


def drafts(symbol: str = "SPX", as_of: datetime = market.AS_OF, **changed) -> list[Draft]:
    """Drafts of every dataset that pages show."""
    plain = {draft.dataset: draft for draft in market.drafts(symbol, as_of, **changed)}
    quotes = _quotes(plain["option_quotes"])
    slices = plain["vol_surface"].frames["surface_slices"]
    skew = plain["skew_metrics"]
    placed = positioning.rows(quotes.frames["options_snapshots"], slices)
    more = [
        _draft("raw_chain", symbol, as_of, {}, quality={"name": "chain.csv"},
               inputs={"sha256": sha256(raw_bytes()).hexdigest(), "layout": "generic"}),
        _draft("trade_signals", symbol, as_of, {"trade_signals": signals(symbol, as_of)},
               inputs={"skew_metrics": skew.version}),
        _draft("signal_scorecard", symbol, as_of, {"signal_scores": scores(as_of)}),
        _draft("mispricing", symbol, as_of, {"mispricings": _mispricings(plain["implied_vols"])}),
        _draft("heston_fit", symbol, as_of, {"heston_calibrations": _heston()}),
    ]  # fmt: skip
    quotes = replace(quotes, inputs={"raw_chain": more[0].version})
    skew = replace(skew, frames={**skew.frames, "positioning": placed})
    return [
        quotes,
        skew,
        *(plain[name] for name in plain if name not in (quotes.dataset, skew.dataset)),
        *more,
    ]


def publish(store, *args, **kwargs) -> None:
    """Publish the drafts of a snapshot."""
    store.publish(drafts(*args, **kwargs), store.fence())


def _quotes(draft: Draft) -> Draft:
    """Quotes with volume, open interest and vendor's vols; a few contracts trade unusually much."""
    rows = draft.frames["options_snapshots"]
    n = np.arange(len(rows))
    vols = market.frames()["implied_vols"]["implied_vols"].set_index("contract")["mid_iv"]
    vendor = rows["contract"].map(vols) + 1e-4 * (n % 7 - 3)
    filled = rows.assign(
        open_interest=100.0 + 37.0 * (n % 11),
        volume=np.where(n % 211 == 0, 3000.0, 20.0 * (n % 5)),
        vendor_iv=vendor.where(n % 13 > 0, 0.0),
    )
    return replace(draft, frames={**draft.frames, "options_snapshots": filled})


def _draft(dataset, symbol, as_of, frames, *, inputs=None, quality=None) -> Draft:
    return Draft(
        dataset=dataset,
        symbol=symbol,
        as_of=as_of,
        version=market.version_of(dataset, symbol, as_of, "1"),
        method_version="1",
        inputs=inputs or {},
        status="published",
        source="simulated",
        run_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        frames=frames,
        quality=quality or {},
    )


def signals(symbol: str, as_of: datetime) -> pd.DataFrame:
    """Three contracts and a series: pending, overruled and filtered."""
    strikes = np.array([6900.0, 6500.0, 7000.0, np.nan])
    kinds = [True, False, True, None]
    names = [None if kind is None else f"SPX260220{'C' if kind else 'P'}{round(1000 * k):08d}"
             for kind, k in zip(kinds, strikes, strict=True)]  # fmt: skip
    entry, fair = np.array([0.152, 0.201, 0.148, 0.1512]), np.array([0.146, 0.207, 0.1475, 0.158])
    half, error = np.array([0.001, 0.0015, 0.0009, 0.001]), np.array([0.0008, 0.001, 0.0009, 0.002])
    edge = np.abs(entry - fair) - half
    return pd.DataFrame(
        {
            "signal_id": [sha256(f"{symbol}{as_of}{n}".encode()).hexdigest() for n in range(4)],
            "generator": ["heston_relative_value"] * 3 + ["mean_reversion"],
            "instrument": [*names[:3], "ATM 30d"],
            "contract": names,
            "expiry_at": pd.DatetimeIndex([FEBRUARY] * 3 + [pd.NaT]).as_unit("us"),
            "strike": strikes,
            "is_call": kinds,
            "tenor_days": [48.7, 48.7, 48.7, 30.0],
            "direction": np.where(entry < fair, "buy", "sell"),
            "entry_iv": entry,
            "fair_iv": fair,
            "half_spread_iv": half,
            "vega_usd": 900.0,
            "edge_iv": edge,
            "edge_usd": 900.0 * edge,
            "edge_stderr": error,
            "z_score": np.where(entry < fair, -1.9, 1.7),
            "confidence": [0.97, 0.91, 0.55, 0.82],
            "regime": "calm",
            "rank": [1, 2, 4, 3],
            "state": ["pending", "pending", "filtered", "overruled"],
            "reason": [f"Mid vol {a:.2%} is off fair {b:.2%}." for a, b in zip(entry, fair, strict=True)],
            "decision": [None, None, "Confidence 0.55 is below 0.60.", "Overruled in vol 30d."],
        }
    )


def scores(as_of: datetime) -> pd.DataFrame:
    """Scores of four earlier sessions at two horizons, some hits and some misses."""
    n = np.arange(2 * SESSIONS * 3)
    net = 1e-4 * np.where(n % 3 == 0, -40.0, 30.0 + n)
    return pd.DataFrame(
        {
            "signal_id": [f"signal-{k // 2}" for k in n],
            "horizon_sessions": np.where(n % 2 == 0, 1, 5),
            "signal_as_of": pd.DatetimeIndex([as_of - int(k % SESSIONS + 1) * _DAY for k in n // 2]).as_unit(
                "us"
            ),
            "generator": "heston_relative_value",
            "instrument": "SPX260220C06900000",
            "direction": "sell",
            "signal_state": "pending",
            "confidence": 0.9,
            "entry_iv": 0.152,
            "exit_iv": 0.15,
            "hedge_iv": 0.0,
            "gross_iv": net + 0.002,
            "net_iv": net,
            "net_usd": 900.0 * net,
            "is_hit": pd.Series(net > 0.0, dtype="boolean"),
            "basis": "as_served",
            "status": "ok",
        }
    )


def _mispricings(vols: Draft) -> pd.DataFrame:
    rows = vols.frames["implied_vols"]
    rows = rows[rows["is_otm"] & rows["mid_iv"].notna()].head(50)
    return rows[["contract", "expiry_at", "strike", "is_call"]].assign(
        market_iv=rows["mid_iv"], model_iv=rows["mid_iv"] + 1e-3, difference=-1e-3, stderr=5e-4,
        half_spread_iv=1e-3, vega_usd=rows["vega"], z_score=-1.0, z_basis="surface", edge_usd=np.nan,
        status="ok",
    )  # fmt: skip


@cache
def _heston() -> pd.DataFrame:
    values = {"v0": 0.025, "kappa": 2.0, "theta": 0.04, "sigma": 0.5, "rho": -0.7}
    lower = [[1e-6 if i == j else 0.0 for j in range(i + 1)] for i in range(5)]
    return pd.DataFrame(
        [
            {
                **values,
                **{f"{name}_stderr": 1e-3 for name in values},
                "covariance": {"lower": lower},
                "rmse_bps": 12.0, "max_error_bps": 80.0, "feller_satisfied": False, "grade": "a",
                "drift": 0.2, "is_warm": True, "n_quotes": 400, "n_iterations": 9, "n_evaluations": 10,
                "status": "ok",
            }
        ]
    )  # fmt: skip
