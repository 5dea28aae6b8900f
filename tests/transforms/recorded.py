"""Recorded chains taken through the stages, and vols of them set side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from periscope_assets.sources import files
from tests.transforms.simulated_chain import Chain, chain_of

CBOE = "cboe-spx-spy-xsp-20230914"
CBOE_RATE = 0.0533
"""The policy rate of that day."""

SPY_DIVIDENDS = [("2023-09-15", 1.583), ("2023-12-15", 1.906), ("2024-03-15", 1.595)]
"""Ex-dates and amounts as paid."""


def cboe_chain(
    folder: Path, symbol: str, dividends: list[tuple[str, float]] | None = None, boxes: Chain | None = None
) -> Chain:
    payload = files.load(folder / CBOE / f"{symbol.lower()}_quotedata.csv.gz")
    chain = chain_of(files.parse(payload)[1][0], CBOE_RATE, dividends)
    chain.boxes = boxes
    return chain


def beside_quotes(chain: Chain) -> pd.DataFrame:
    """Vols with the vendor's and with the quotes, and log-moneyness in standard deviations at the money."""
    quotes = chain.frame("option_quotes")[["contract", "bid", "ask", "vendor_iv"]]
    vols = chain.frame("implied_vols").merge(quotes, on="contract")
    known = vols[vols["mid_iv"].notna()].assign(distance=lambda each: each["log_moneyness"].abs())
    nearest = known.sort_values("distance").groupby("expiry_at").head(4)
    at_money = vols["expiry_at"].map(nearest.groupby("expiry_at")["mid_iv"].median())
    root = np.sqrt(vols["tau_years"].clip(lower=0.0))
    return vols.assign(z=vols["log_moneyness"] / (at_money * root), days=vols["tau_years"] * 365.0)


def overlap(vols: pd.DataFrame) -> pd.Series:
    """Whether the call's and the put's intervals of vols meet, by strike that has two bids and two asks.

    A price at or below what exercise brings leaves the vol open downwards.
    """
    quoted = vols[(vols["bid"] > 0) & (vols["ask"] > 0) & (vols["tau_years"] > 0)]
    ends = {}
    for side in ("bid", "ask"):
        floored = quoted[f"{side}_status"].isin({"below_intrinsic", "at_exercise"})
        ends[side] = quoted[f"{side}_iv"].where(~floored, 0.0)
    wide = quoted.assign(**ends).pivot(
        index=["expiry_at", "strike"], columns="is_call", values=["bid", "ask"]
    )
    wide = wide.dropna()
    return (wide["bid"][True] <= wide["ask"][False]) & (wide["bid"][False] <= wide["ask"][True])


def against(vols: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Out-of-the-money mid vols less those of another chain at equal log-moneyness, bps, by expiry."""
    differences = []
    usable = other[other["is_otm"] & other["mid_iv"].notna()].sort_values("log_moneyness")
    wanted = vols[vols["is_otm"] & vols["mid_iv"].notna()]
    for at, group in wanted.groupby("expiry_at"):
        curve = usable[usable["expiry_at"] == at]
        if len(curve) < 10:
            continue
        inside = group[
            group["log_moneyness"].between(curve["log_moneyness"].min(), curve["log_moneyness"].max())
        ]
        level = np.interp(inside["log_moneyness"], curve["log_moneyness"], curve["mid_iv"])
        differences.append(1e4 * (inside["mid_iv"] - level))
    return pd.concat(differences)
