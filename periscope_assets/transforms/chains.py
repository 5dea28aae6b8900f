"""Chains: every parsed row is either an accepted quote or a quarantined one with a reason.

What belongs here: the rules that refuse a row, and the columns that conventions add. What does not: vendor
formats (``sources``), anything that needs a forward or a vol. A zero bid and a contract that settled earlier
the same day are quotes: later stages give them a status.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pandas as pd

from periscope_analytics.conventions import NEW_YORK, listing, settlement_time
from periscope_assets.transforms.frames import Bools, counts, finite, flags, numbers, years_to
from periscope_assets.transforms.stage import Quality, StageResult

NAME = "option_quotes"
METHOD_VERSION = "1"
RULE_VERSION = 1

ACCEPTED, QUARANTINED = "options_snapshots", "quarantined_quotes"

_EQUITY_MULTIPLIER = 100.0
_COIN_MULTIPLIER = 1.0
_ADJUSTED_ROOT = re.compile(r"[A-Z.\-]+\d")
_SAME_QUOTE = [
    "contract",
    "expiry",
    "root",
    "settlement",
    "is_call",
    "strike",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
]
_SNAPSHOT_COLUMNS = [
    *("contract", "expiry_at", "strike", "is_call", "expiry", "root", "settlement", "style", "quote_unit"),
    *("bid", "ask", "bid_size", "ask_size", "last", "volume", "open_interest"),
    *("vendor_iv", "vendor_delta", "vendor_mark", "underlying_price", "multiplier", "quoted_at", "flags", "raw_line"),
]
_QUARANTINE_COLUMNS = ["raw_line", "side", "contract", "reason", "rule_version", "detail", "record"]


class AccountingError(RuntimeError):
    """Rows were lost or invented between the raw file and the tables."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One reason to refuse a row: which rows, and the sentence that says why."""

    reason: str
    refuses: Callable[[pd.DataFrame, str, date], Bools]
    detail: Callable[[Mapping[Hashable, object], str, date], str]


def _present(frame: pd.DataFrame, side: str) -> Bools:
    prices = numbers(frame, side)
    return np.asarray(np.isfinite(prices) & (prices != 0))


def _bad_strike(rows: pd.DataFrame, _symbol: str, _session: date) -> Bools:
    strike = numbers(rows, "strike")
    return ~(np.isfinite(strike) & (strike > 0))


def _adjusted(rows: pd.DataFrame, _symbol: str, _session: date) -> Bools:
    return np.array([_ADJUSTED_ROOT.fullmatch(root) is not None for root in rows["root"]], dtype=np.bool_)


def _foreign(rows: pd.DataFrame, symbol: str, _session: date) -> Bools:
    return np.array([listing(root).symbol != symbol for root in rows["root"]], dtype=np.bool_)


def _expired(rows: pd.DataFrame, _symbol: str, session: date) -> Bools:
    return np.array([expiry < session for expiry in rows["expiry"]], dtype=np.bool_)


def _negative(rows: pd.DataFrame, _symbol: str, _session: date) -> Bools:
    return (numbers(rows, "bid") < 0) | (numbers(rows, "ask") < 0)


def _no_quote(rows: pd.DataFrame, _symbol: str, _session: date) -> Bools:
    return ~_present(rows, "bid") & ~_present(rows, "ask")


def _crossed(rows: pd.DataFrame, _symbol: str, _session: date) -> Bools:
    return _present(rows, "ask") & (numbers(rows, "bid") > numbers(rows, "ask"))


def _repeated(rows: pd.DataFrame, _symbol: str, _session: date) -> Bools:
    return rows.duplicated(_SAME_QUOTE, keep="first").to_numpy(dtype=np.bool_)


def _conflicting(rows: pd.DataFrame, _symbol: str, _session: date) -> Bools:
    return rows.duplicated(["contract"], keep=False).to_numpy(dtype=np.bool_)


_RULES = (
    _Rule("bad_strike", _bad_strike, lambda r, _, __: f"strike {r['strike']} is not a positive number"),
    _Rule(
        "adjusted_contract",
        _adjusted,
        lambda r, _, __: f"root {r['root']} delivers something other than 100 shares",
    ),
    _Rule("foreign_root", _foreign, lambda r, symbol, _: f"root {r['root']} does not belong to {symbol}"),
    _Rule(
        "expired_before_snapshot",
        _expired,
        lambda r, _, day: f"expired on {r['expiry']}, the session is {day}",
    ),
    _Rule("negative_price", _negative, lambda r, _, __: f"bid {r['bid']}, ask {r['ask']}"),
    _Rule(
        "no_quote", _no_quote, lambda r, _, __: f"neither a bid nor an ask: bid {r['bid']}, ask {r['ask']}"
    ),
    _Rule("crossed", _crossed, lambda r, _, __: f"bid {r['bid']} is above ask {r['ask']}"),
    _Rule(
        "duplicate", _repeated, lambda r, _, __: f"{r['contract']} is in the file before with the same quote"
    ),
    _Rule(
        "conflict", _conflicting, lambda r, _, __: f"{r['contract']} is in the file with another quote too"
    ),
)
REASONS = tuple(rule.reason for rule in _RULES)
"""Reason codes in the order in which the rules are asked; the first that refuses a row names it."""


def accept(
    rows: pd.DataFrame, symbol: str, as_of: datetime, n_raw: int, spot: float = math.nan
) -> StageResult:
    """Sort parsed rows into accepted and quarantined quotes.

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

    Raises
    ------
    AccountingError
        If accepted and quarantined rows do not add up to `n_raw`.
    """
    session = as_of.astimezone(NEW_YORK).date()
    rows = rows.reset_index(drop=True)
    reasons = _judge(rows, symbol, session)
    accepted = _snapshots(rows[reasons.isna()])
    refused = _quarantine(rows[reasons.notna()], reasons.dropna(), symbol, session)
    if len(accepted) + len(refused) != n_raw:
        raise AccountingError(
            f"{symbol} {as_of:%Y-%m-%d %H:%M}: {len(accepted)} + {len(refused)} rows of {n_raw} raw"
        )
    frames = {ACCEPTED: accepted, QUARANTINED: refused}
    return StageResult(frames, _quality(accepted, refused, n_raw, as_of, spot))


def _judge(rows: pd.DataFrame, symbol: str, session: date) -> pd.Series:
    reasons = pd.Series([None] * len(rows), index=rows.index, dtype=object)
    for rule in _RULES:
        left = rows[reasons.isna()]
        refused = rule.refuses(left, symbol, session)
        reasons.loc[left.index[refused]] = rule.reason
    return reasons


def _snapshots(rows: pd.DataFrame) -> pd.DataFrame:
    pairs = list(zip(rows["expiry"], rows["settlement"], strict=True))
    clock = {pair: settlement_time(*pair) for pair in set(pairs)}
    conventions = {root: listing(root) for root in rows["root"].unique()}
    added = rows.assign(
        expiry_at=pd.Series([clock[pair] for pair in pairs], index=rows.index, dtype="datetime64[us, UTC]"),
        style=rows["root"].map(lambda root: conventions[root].style).astype("str"),
        quote_unit=rows["root"].map(lambda root: conventions[root].quote_unit).astype("str"),
    )
    added["multiplier"] = np.where(added["quote_unit"] == "coin", _COIN_MULTIPLIER, _EQUITY_MULTIPLIER)
    added["flags"] = pd.Series(None, index=rows.index, dtype="str")
    return added[_SNAPSHOT_COLUMNS].sort_values("contract", ignore_index=True)


def _quarantine(rows: pd.DataFrame, reasons: pd.Series, symbol: str, session: date) -> pd.DataFrame:
    details = {rule.reason: rule.detail for rule in _RULES}
    records = rows.to_dict("records")
    refused = pd.DataFrame(
        {
            "raw_line": rows["raw_line"].astype("int64"),
            "side": np.where(rows["is_call"].astype(bool), "call", "put"),
            "contract": rows["contract"],
            "reason": reasons.astype("str"),
            "rule_version": RULE_VERSION,
            "detail": [details[why](row, symbol, session) for why, row in zip(reasons, records, strict=True)],
            "record": [_as_json(row) for row in records],
        },
        columns=_QUARANTINE_COLUMNS,
    )
    return refused.sort_values(["raw_line", "side"], ignore_index=True)


def _as_json(row: Mapping[Hashable, object]) -> dict[str, object]:
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else (None if math.isnan(value) else str(value))
    return value.isoformat() if isinstance(value, date) else value


def _quality(
    accepted: pd.DataFrame, refused: pd.DataFrame, n_raw: int, as_of: datetime, spot: float
) -> Quality:
    return {
        "n_raw": n_raw,
        "n_accepted": len(accepted),
        "n_quarantined": len(refused),
        **counts(refused["reason"], "quarantined"),
        "n_no_bid": int((~_present(accepted, "bid")).sum()),
        "n_no_ask": int((~_present(accepted, "ask")).sum()),
        "n_expired": int((years_to(accepted["expiry_at"], as_of) <= 0).sum()),
        "n_calls": int(flags(accepted, "is_call").sum()),
        "n_expiries": int(accepted["expiry_at"].nunique()),
        "open_interest": finite(float(accepted["open_interest"].sum(min_count=1))),
        "spot": finite(spot),
    }
