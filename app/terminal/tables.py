"""Published frames as lines of text.

What belongs here: which columns a person sees, with units and digits. What does not: reading, printing, JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd

from app.queries import Answer
from app.terminal.output import ABSENT, columns, exactly, number
from periscope_analytics.conventions import AM, PM, UTC08, settlement_time

_BPS = 1e4
_PERCENT = 100.0
_DAYS = 365.0

Row = Mapping[str, Any]


def rows_of(frame: pd.DataFrame) -> list[Row]:
    """Return rows as mappings by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def surface(answer: Answer) -> Iterator[str]:
    """Yield a line for each slice, then the certificate."""
    errors = {
        row["expiry_at"]: row["forward_stderr"]
        for row in rows_of(answer.frames.get("forwards", pd.DataFrame()))
    }
    slices = sorted(rows_of(answer.frames["surface_slices"]), key=lambda row: row["expiry_at"])
    heads = (
        *("expiry", "root", "settles", "days", "forward", "+-", "ATM vol %", "+-"),
        *("rmse bps", "max bps", "inside %", "min g", "used", "status"),
    )
    yield from columns(
        heads, [_slice(row, errors) for row in slices], left=("expiry", "root", "settles", "status")
    )
    yield ""
    for row in rows_of(answer.frames["surface_certificates"]):
        yield from _certificate(row)


def _slice(row: Row, errors: Mapping[datetime, float]) -> tuple[str, ...]:
    return (
        row["expiry"].isoformat(),
        row["root"],
        settlement(row["expiry"], row["expiry_at"]),
        number(row["tau_years"] * _DAYS),
        number(row["forward"]),
        number(errors.get(row["expiry_at"]), 3),
        number(row["atm_iv"], 2, _PERCENT),
        number(row["atm_iv_stderr"], 3, _PERCENT),
        number(row["rmse_bps"], 1),
        number(row["max_error_bps"], 0),
        number(row["inside_share"], 1, _PERCENT),
        number(row["min_g"], 3),
        f"{row['n_used']}/{row['n_quotes']}",
        row["status"],
    )


def settlement(expiry: date, expiry_at: datetime) -> str:
    """Return the settlement clock of an expiry: am, pm or utc08."""
    clocks = (clock for clock in (AM, PM, UTC08) if settlement_time(expiry, clock) == expiry_at)
    return next(clocks, ABSENT)


def _certificate(row: Row) -> Iterator[str]:
    verdict = "free of static arbitrage" if row["is_free"] else "NOT free of static arbitrage"
    yield (
        f"certificate: {verdict} ({row['status']}), {row['n_slices']} slices on {row['grid_n_k']} strikes x "
        f"{row['grid_n_tau']} maturities, k {number(row['grid_k_min'])} to {number(row['grid_k_max'])}"
    )
    yield f"  butterfly  min g {number(row['min_g'], 4)}, {row['n_butterfly']} points below 0"
    yield f"  calendar   min step of w {number(row['min_calendar'], 6)}, {row['n_calendar']} points falling"
    yield (
        f"  density    integral off 1 by {number(row['mass_error'], 10)}, second mode "
        f"{number(row['second_mode'], 5)} of the peak"
    )
    yield f"  wings      slopes {number(row['left_wing'], 3)} and {number(row['right_wing'], 3)}, at most 2"


def skew(answer: Answer) -> Iterator[str]:
    """Yield a line for each expiry and constant maturity; vols in per cent."""
    rows = sorted(
        rows_of(answer.frames["skew_metrics"]), key=lambda row: (row["basis"] != "expiry", row["tenor_days"])
    )
    percent = (
        *("atm_iv", "atm_iv_stderr", "rr_25", "rr_25_stderr", "bf_25", "bf_25_stderr", "rr_10", "bf_10"),
        *("forward_iv", "model_free_iv", "variance_iv"),
    )
    heads = (
        *("basis", "days", "forward", "ATM", "+-", "RR25", "+-", "BF25", "+-", "RR10", "BF10"),
        *("fwd vol", "model-free", "variance", "slope", "curvature", "status"),
    )
    lines = [
        (
            row["basis"].replace("_", " "),
            number(row["tenor_days"]),
            number(row["forward"]),
            *(number(row[name], 2, _PERCENT) for name in percent),
            number(row["slope"], 3),
            number(row["curvature"], 3),
            row["status"],
        )
        for row in rows
    ]
    yield from columns(heads, lines, left=("basis", "status"))
    yield "vols in per cent"


def heston(answer: Answer) -> Iterator[str]:
    """Yield the parameters with their errors, then the quality of the fit."""
    for row in rows_of(answer.frames["heston_calibrations"]):
        names = ("v0", "kappa", "theta", "sigma", "rho")
        lines = [(name, number(row[name], 5), number(row[f"{name}_stderr"], 5)) for name in names]
        yield from columns(("parameter", "value", "+-"), lines, left=("parameter",))
        yield ""
        errors = f"rmse {number(row['rmse_bps'], 1)} vol bps, largest {number(row['max_error_bps'], 0)}"
        yield f"fit {row['status']}: {errors}, {row['n_quotes']} quotes, {row['n_iterations']} iterations"
        feller = {True: "holds", False: "does not hold"}.get(row["feller_satisfied"], "not known")
        yield f"Feller condition {feller}"


def signals(answer: Answer) -> Iterator[str]:
    """Yield a line for each signal, best first."""
    rows = sorted(rows_of(answer.frames["trade_signals"]), key=lambda row: row["rank"])
    heads = ("rank", "side", "contract", "edge vol %", "+-", "edge USD", "z", "confidence", "state", "reason")
    lines = [
        (
            str(row["rank"]),
            row["direction"],
            row["contract"],
            number(row["edge_iv"], 2, _PERCENT),
            number(row["edge_stderr"], 2, _PERCENT),
            number(row["edge_usd"]),
            number(row["z_score"], 1),
            number(row["confidence"]),
            row["state"],
            row["reason"],
        )
        for row in rows
    ]
    yield from columns(heads, lines, left=("side", "contract", "state", "reason"))
    if not lines:
        yield "no signal passed the filters for this snapshot"


def chain(answer: Answer) -> Iterator[str]:
    """Yield a line for each quote of one expiry, or a line for each expiry when there are several."""
    quotes, rejected = answer.frames["chain"], answer.frames["rejected"]
    if quotes["expiry"].nunique() > 1:
        yield from _expiries(quotes)
        yield "one expiry in full: --expiry DATE"
    else:
        yield from _quotes(quotes)
    yield from _reasons(rejected)


def _expiries(quotes: pd.DataFrame) -> Iterator[str]:
    heads = ("expiry", "root", "settles", "quotes", "with vol", "strikes from", "to")
    lines = [
        (
            str(expiry),
            str(root),
            str(clock),
            str(len(group)),
            str(int((group["status"] == "ok").sum())),
            number(group["strike"].min()),
            number(group["strike"].max()),
        )
        for (expiry, root, clock), group in quotes.groupby(["expiry", "root", "settlement"], sort=True)
    ]
    yield from columns(heads, lines, left=("expiry", "root", "settles"))


def _quotes(quotes: pd.DataFrame) -> Iterator[str]:
    heads = (
        "contract",
        "strike",
        "side",
        "bid",
        "ask",
        "bid vol %",
        "mid vol %",
        "ask vol %",
        "+-",
        "delta",
        "status",
    )
    lines = [
        (
            row["contract"],
            number(row["strike"]),
            "call" if row["is_call"] else "put",
            number(row["bid"], 4),
            number(row["ask"], 4),
            *(number(row.get(name), 2, _PERCENT) for name in ("bid_iv", "mid_iv", "ask_iv", "iv_stderr")),
            number(row.get("delta"), 3),
            row["status"],
        )
        for row in rows_of(quotes)
    ]
    yield from columns(heads, lines, left=("contract", "side", "status"))


def _reasons(rejected: pd.DataFrame) -> Iterator[str]:
    counts = rejected["reason"].value_counts()
    listed = ", ".join(f"{reason} {count}" for reason, count in counts.items())
    yield f"quarantined: {len(rejected)}" + (f" ({listed})" if listed else "")


def exported_columns(answer: Answer, frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows that say by themselves whose, of when and of which version they are."""
    stamped = {
        "symbol": answer.symbol,
        "as_of": exactly(answer.as_of),
        "known_at": exactly(answer.known_at),
        "version": answer.version,
    }
    return frame.assign(**stamped)[[*stamped, *(name for name in frame.columns if name not in stamped)]]
