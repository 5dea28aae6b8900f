"""Chains: every parsed row is either an accepted quote or a quarantined one with a reason.

What belongs here: the two tables that follow from the rules' verdicts, and the columns that conventions add.
What does not: the rules (``rules``), vendor formats (``sources``), anything that needs a fitted forward or a
vol. A zero bid and a contract that settled earlier the same day are quotes: later stages give them a status.
"""

from __future__ import annotations

import math
from datetime import date, datetime

import numpy as np
import pandas as pd

from periscope_analytics.conventions import listing, settlement_time
from periscope_assets.transforms import rules
from periscope_assets.transforms.expiries import instants
from periscope_assets.transforms.frames import counts, finite, flags, numbers, years_to
from periscope_assets.transforms.rules.identity import multiplier
from periscope_assets.transforms.stage import Quality, StageResult

NAME = "option_quotes"
METHOD_VERSION = "3"
RULES_VERSION = rules.VERSION
REASONS = rules.REASONS
"""Reason codes in the order in which the rules are asked; the first that refuses a row names it."""

ACCEPTED, QUARANTINED = "options_snapshots", "quarantined_quotes"

_SNAPSHOT_COLUMNS = [
    *("contract", "expiry_at", "strike", "is_call", "expiry", "root", "settlement", "style", "quote_unit"),
    *("bid", "ask", "bid_size", "ask_size", "last", "volume", "open_interest"),
    *("vendor_iv", "vendor_delta", "vendor_mark", "underlying_price", "multiplier", "quoted_at", "flags"),
    "raw_line",
]
_QUARANTINE_COLUMNS = ["raw_line", "side", "contract", "reason", "rule_version", "detail", "record"]


class AccountingError(RuntimeError):
    """Rows were lost or invented between the raw file and the tables."""


def accept(
    rows: pd.DataFrame,
    symbol: str,
    as_of: datetime,
    n_raw: int,
    spot: float = math.nan,
    context: rules.Context | None = None,
) -> StageResult:
    """Sort parsed rows into accepted and quarantined quotes; without an accepted one the chain is rejected.

    Parameters
    ----------
    rows : DataFrame, length n
        Columns of ``sources.base.QUOTE_COLUMNS``.
    symbol : str
        Underlying that the rows belong to.
    as_of : datetime
        Time of the snapshot, UTC.
    n_raw : int
        Option records that the raw payload holds for this symbol and snapshot.
    spot : float
        Underlying price as the vendor gave it, NaN if it gave none.
    context : Context, optional
        What the rules know besides; symbol, time and spot alone without.

    Raises
    ------
    AccountingError
        If accepted and quarantined rows do not add up to `n_raw`.
    """
    rows = rows.reset_index(drop=True)
    verdict = rules.judge(rows, context or rules.Context(symbol, as_of, spot))
    accepted = _snapshots(rows, verdict)
    refused = _quarantine(rows.iloc[verdict.refused], verdict)
    if len(accepted) + len(refused) != n_raw:
        raise AccountingError(
            f"{symbol} {as_of:%Y-%m-%d %H:%M}: {len(accepted)} + {len(refused)} rows of {n_raw} raw"
        )
    frames = {ACCEPTED: accepted, QUARANTINED: refused}
    flagged = {f"flagged_{name}": n for name, n in sorted(verdict.n_flags.items())}
    quality = {**_quality(accepted, refused, n_raw, as_of, spot), **flagged}
    return StageResult(frames, quality, "rejected" if n_raw and accepted.empty else "published")


def _snapshots(rows: pd.DataFrame, verdict: rules.Verdict) -> pd.DataFrame:
    order = np.argsort(rows["contract"].to_numpy(dtype=object)[verdict.accepted], kind="stable")
    place = verdict.accepted[order]
    kept = {name: rows[name].array[place] for name in _SNAPSHOT_COLUMNS if name in rows}
    roots, names = pd.factorize(kept["root"])
    known = [listing(str(name)) for name in names]
    days, expiries = pd.factorize(kept["expiry"])
    pairs, inverse = np.unique(days * max(len(known), 1) + roots, return_inverse=True)
    clock = [
        settlement_time(expiries[pair // len(known)], known[pair % len(known)].settlement)
        for pair in pairs.tolist()
    ]
    kept["expiry_at"] = pd.DatetimeIndex(clock, dtype="datetime64[us, UTC]").take(inverse)
    for column, values in (
        ("style", pd.array([each.style for each in known], dtype="str")),
        ("quote_unit", pd.array([each.quote_unit for each in known], dtype="str")),
        ("multiplier", np.array([multiplier(each) for each in known], dtype=np.float64)),
    ):
        kept[column] = values.take(roots)
    kept["flags"] = pd.array(verdict.flags[order], dtype="str")
    return pd.DataFrame({name: kept[name] for name in _SNAPSHOT_COLUMNS}, copy=False)


def _quarantine(rows: pd.DataFrame, verdict: rules.Verdict) -> pd.DataFrame:
    refused = pd.DataFrame(
        {
            "raw_line": rows["raw_line"].astype("int64").to_numpy(),
            "side": np.where(rows["is_call"].astype(bool), "call", "put"),
            "contract": rows["contract"].array,
            "reason": pd.array(verdict.reasons, dtype="str"),
            "rule_version": np.array(verdict.versions, dtype=np.int64),
            "detail": pd.array(verdict.details, dtype="str"),
            "record": pd.Series(_records(rows), dtype=object),
        },
        columns=_QUARANTINE_COLUMNS,
    )
    return refused if refused.empty else refused.sort_values(["raw_line", "side"], ignore_index=True)


def _records(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Return rows as JSON has them."""
    if rows.empty:
        return []
    names = [str(name) for name in rows.columns]
    cells = [[_plain(value) for value in rows[name].tolist()] for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def _plain(value: object) -> object:
    if value is pd.NaT:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else (None if math.isnan(value) else str(value))
    return value.isoformat() if isinstance(value, date) else value


def _quality(
    accepted: pd.DataFrame, refused: pd.DataFrame, n_raw: int, as_of: datetime, spot: float
) -> Quality:
    has_bid, has_ask = (np.nan_to_num(numbers(accepted, side)) != 0 for side in ("bid", "ask"))
    return {
        "n_raw": n_raw,
        "n_accepted": len(accepted),
        "n_quarantined": len(refused),
        **counts(refused["reason"], "quarantined"),
        "n_no_bid": int((~has_bid).sum()),
        "n_no_ask": int((~has_ask).sum()),
        "n_expired": int((years_to(accepted["expiry_at"], as_of) <= 0).sum()),
        "n_calls": int(flags(accepted, "is_call").sum()),
        "n_expiries": len(np.unique(instants(accepted["expiry_at"]))),
        "open_interest": finite(float(accepted["open_interest"].sum(min_count=1))),
        "spot": finite(spot),
    }
