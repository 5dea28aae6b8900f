"""The row of figures at the head of the page.

What belongs here: which figures, how they are printed, what they mean. What does not: widgets, tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from app.views.surface.data import Page

ABSENT = "–"

Figure = tuple[str, str, str]


def merit(page: Page) -> list[Figure]:
    """Return name, value and explanation of each figure; a dash where there is no value."""
    return [*_market(page), *_fit(page.slices, page.surface.quality), _quotes(_quality(page))]


def _market(page: Page) -> list[Figure]:
    tenor = page.tenor or {}
    spot = printed(_quality(page).get("spot"), ",.2f")
    atm = printed(_percent(tenor.get("atm_iv")), ".2f", " %")
    reversal = printed(_percent(tenor.get("rr_25")), "+.2f", " pts")
    return [
        ("Underlying", spot, "Price as the source gave it, USD."),
        ("ATM vol 30 d", atm, "At-the-money-forward vol at a constant 30 days."),
        (
            "25Δ RR 30 d",
            reversal,
            "25-delta call vol less put vol at a constant 30 days, vol points.",
        ),
    ]


def _fit(slices: pd.DataFrame, quality: Mapping[str, object]) -> list[Figure]:
    fitted = slices[slices["status"] == "ok"]
    error = printed(_median(fitted["rmse_bps"]), ",.1f", " bps")
    inside = printed(_percent(quality.get("inside_share")), ".1f", " %")
    return [
        ("Expiries fitted", f"{len(fitted)} of {len(slices)}", "Expiries with a fit of status ok."),
        ("Fit RMSE", error, "Median over expiries; vega-weighted, 1 bp is 0.01 % of vol."),
        (
            "Inside bid-ask",
            inside,
            "Share of all quotes, weighted by vega, whose bid and ask enclose the fit.",
        ),
    ]


def _quotes(quality: Mapping[str, object]) -> Figure:
    accepted, raw = quality.get("n_accepted"), quality.get("n_raw")
    known = isinstance(accepted, int) and isinstance(raw, int)
    note = "Accepted quotes of all rows of the raw file; the rest is in quarantine, each with a reason."
    return ("Quotes", f"{accepted:,} of {raw:,}" if known else ABSENT, note)


def _quality(page: Page) -> Mapping[str, object]:
    return {} if page.chain is None else page.chain.quality


def _median(values: pd.Series) -> float | None:
    present = values.dropna()
    return float(present.median()) if len(present) else None


def _percent(value: object) -> float | None:
    return 100.0 * value if isinstance(value, float) else None


def printed(value: object, spec: str, unit: str = "") -> str:
    """Return a number in a format with its unit, a dash for an absent one."""
    there = isinstance(value, float | int) and value == value
    return f"{value:{spec}}{unit}" if there else ABSENT
