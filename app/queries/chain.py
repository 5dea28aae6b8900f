"""The chain as readers see it: quotes beside their vols, and the refused rows beside their reasons.

What belongs here: joins of published frames. What does not: reading the store, formulas.
"""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd

from periscope_analytics.conventions import settlement_time

_REJECTED = ("expiry", "root", "settlement", "strike", "is_call", "bid", "ask")
_UTC = pd.DatetimeTZDtype("us", "UTC")
_NUMBERS = ("strike", "bid", "ask")


def join_quotes(quotes: pd.DataFrame, vols: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row for each accepted quote, with the columns of its implied vol where there is one.

    Parameters
    ----------
    quotes : DataFrame
        Rows of ``options_snapshots``.
    vols : DataFrame or None
        Rows of ``implied_vols``; None where they are not published.

    Returns
    -------
    DataFrame
        Ordered by expiry_at, strike, puts before calls. `status` is ``not_computed`` for quotes without a row
        of vols.
    """
    if vols is None:
        joined = quotes.assign(status="not_computed")
    else:
        joined = _beside(quotes, vols)
        joined["status"] = joined["status"].where(joined["status"].notna(), "not_computed")
    return joined.sort_values(["expiry_at", "strike", "is_call", "contract"], ignore_index=True)


def _beside(quotes: pd.DataFrame, vols: pd.DataFrame) -> pd.DataFrame:
    extra = [name for name in vols.columns if name not in quotes.columns]
    # As it is where every quote has a row of vols: both come in the order of contracts.
    if quotes["contract"].equals(vols["contract"]):
        return pd.concat([quotes, vols[extra]], axis=1)
    return quotes.merge(vols[["contract", *extra]], on="contract", how="left", validate="one_to_one")


def unpack_rejected(quarantined: pd.DataFrame, vols: pd.DataFrame | None) -> pd.DataFrame:
    """Return refused quotes with what could be read of each row in columns of its own.

    Parameters
    ----------
    quarantined : DataFrame
        Rows of ``quarantined_quotes``.
    vols : DataFrame or None
        Rows of ``implied_vols``, for the forward of each expiry.

    Returns
    -------
    DataFrame
        raw_line, side, contract, reason, detail, expiry, root, settlement, strike, is_call, bid, ask,
        expiry_at, log_moneyness; absent where the row did not have it.
    """
    parsed = pd.DataFrame(
        [{name: record.get(name) for name in _REJECTED} for record in quarantined["record"]],
        columns=list(_REJECTED),
        index=quarantined.index,
    )
    for name in _NUMBERS:
        parsed[name] = pd.to_numeric(parsed[name], errors="coerce").astype("float64")
    kept = quarantined[["raw_line", "side", "contract", "reason", "detail"]]
    frame = pd.concat([kept, parsed], axis=1)
    clocks = zip(parsed["expiry"], parsed["settlement"], strict=True)
    frame["expiry_at"] = pd.Series([_settles(*pair) for pair in clocks], index=frame.index, dtype=_UTC)
    frame["log_moneyness"] = _moneyness(frame, vols)
    return frame.sort_values(["raw_line", "side"], ignore_index=True)


def _settles(expiry: object, clock: object) -> datetime | None:
    if not isinstance(expiry, str) or not isinstance(clock, str):
        return None
    try:
        return settlement_time(date.fromisoformat(expiry[:10]), clock)
    except ValueError:
        return None


def _moneyness(frame: pd.DataFrame, vols: pd.DataFrame | None) -> pd.Series:
    absent = pd.Series(np.nan, index=frame.index)
    if vols is None or vols.empty or frame.empty:
        return absent
    forwards = vols[["expiry_at", "forward"]].dropna().drop_duplicates("expiry_at")
    forward = frame["expiry_at"].map(forwards.set_index("expiry_at")["forward"]).astype("float64")
    known = (forward > 0) & (frame["strike"] > 0)
    return absent.where(~known, np.log(frame["strike"].where(known) / forward.where(known)))


def only_expiry(frame: pd.DataFrame, expiry: date | None) -> pd.DataFrame:
    """Return the rows of one expiration date, or all for None."""
    if expiry is None:
        return frame
    dates = frame["expiry"].map(lambda value: str(value)[:10])
    return frame[dates == expiry.isoformat()].reset_index(drop=True)
