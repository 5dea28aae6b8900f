"""What is behind a number: the publications it was made from, and the quotes and rules of its expiry.

What belongs here: gathering it. What does not: the walk over the ledger (``lineage``), formulas.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from app.queries.answer import Answer
from app.queries.chain import only_expiry, unpack_rejected
from app.queries.core import Queries
from app.queries.errors import InvalidParameterError
from app.queries.lineage import lineage
from app.queries.locate import QUOTES, Located
from app.queries.strategy import beside
from app.queries.times import TimeLike
from periscope_assets.store.repository import LedgerEntry, PurgedError

LONGEST_CONTRACT = 60
_QUOTE = [
    *("contract", "expiry_at", "expiry", "strike", "is_call", "bid", "ask", "bid_size", "ask_size"),
    *("quoted_at", "flags", "raw_line"),
]
_VOL = ["contract", "mid_iv", "iv_stderr", "weight", "status"]
_FIT = ["contract", "surface_iv", "surface_iv_stderr", "residual_bps", "is_inside", "weight", "status"]


def explain(
    queries: Queries,
    symbol: str,
    dataset: str = "vol_surface",
    *,
    expiry: date | None = None,
    contract: str | None = None,
    as_of: TimeLike = None,
    known_at: TimeLike = None,
    version: str | None = None,
) -> Answer:
    """Return what is behind the numbers of a dataset.

    Parameters
    ----------
    dataset : str
        Asset name.
    expiry : date, optional
        Only quotes of this expiration date.
    contract : str, optional
        Only this contract.

    Returns
    -------
    Answer
        Frames: ``lineage`` (every publication behind it: version, method version, source, run), ``quotes``
        (accepted quotes, what their vols and the surface's fit made of them), ``refused`` (quotes that a rule
        refused, with reason) and ``rules`` (how many each rule flagged or refused).

    Raises
    ------
    InvalidParameterError
        If an argument is malformed, or no quote is of the expiry or contract.
    UnknownSymbolError, NotPublishedError, PurgedError
        As :meth:`Queries.read`.
    """
    if contract is not None and not (0 < len(contract) <= LONGEST_CONTRACT and contract.isprintable()):
        raise InvalidParameterError("contract", f"expected up to {LONGEST_CONTRACT} printable characters")
    made_of = lineage(queries, dataset, symbol, as_of=as_of, known_at=known_at, version=version)
    found = queries.locate(dataset, symbol, as_of=as_of, known_at=known_at, version=version)

    def frames() -> dict[str, pd.DataFrame]:
        quotes, refused = _quotes(queries, found)
        chosen = _chosen(quotes, expiry, contract), _chosen(refused, expiry, contract)
        if (expiry is not None or contract is not None) and not any(map(len, chosen)):
            name = "contract" if contract is not None else "expiry"
            raise InvalidParameterError(name, "no quote of this snapshot is of it")
        rules = _rules(*chosen)
        return {**made_of.frames, "quotes": chosen[0], "refused": chosen[1], "rules": rules}

    states = "".join(made_of.frames["lineage"]["state"])
    question = {"expiry": expiry, "contract": contract, "lineage": states, "of": dataset}
    return queries.answer(found, "explain", frames, question=question)


def _quotes(queries: Queries, found: Located) -> tuple[pd.DataFrame, pd.DataFrame]:
    quotes = found.entry if found.entry.dataset == QUOTES else beside(queries, found, QUOTES)
    if quotes is None:
        return pd.DataFrame(columns=_QUOTE), pd.DataFrame(columns=["contract", "expiry", "reason"])
    vols, fit = beside(queries, found, "implied_vols"), beside(queries, found, "vol_surface")
    rows = queries.rows(quotes, "options_snapshots")[_QUOTE]
    for entry, table, columns, prefix in (
        (vols, "implied_vols", _VOL, "iv"),
        (fit, "surface_quotes", _FIT, "fit"),
    ):
        other = _rows(queries, entry, table, columns)
        renamed = other.rename(columns={name: f"{prefix}_{name}" for name in ("weight", "status")})
        rows = rows.merge(renamed, on="contract", how="left")
    vol_rows = None if vols is None else queries.rows(vols, "implied_vols")
    return rows, unpack_rejected(queries.rows(quotes, "quarantined_quotes"), vol_rows)


def _rows(queries: Queries, entry: LedgerEntry | None, table: str, columns: list[str]) -> pd.DataFrame:
    if entry is None:
        return pd.DataFrame(columns=columns)
    try:
        return queries.rows(entry, table)[columns]
    except PurgedError:
        return pd.DataFrame(columns=columns)


def _chosen(frame: pd.DataFrame, expiry: date | None, contract: str | None) -> pd.DataFrame:
    kept = only_expiry(frame, expiry)
    return kept if contract is None else kept[kept["contract"] == contract].reset_index(drop=True)


def _rules(quotes: pd.DataFrame, refused: pd.DataFrame) -> pd.DataFrame:
    """Return how many quotes each rule refused or flagged."""
    flags = quotes["flags"].dropna().astype(str).str.split("+").explode()
    counts = [("refused", refused["reason"].value_counts()), ("flagged", flags.value_counts())]
    rows = [(str(rule), outcome, int(count)) for outcome, found in counts for rule, count in found.items()]
    return pd.DataFrame(rows, columns=["rule", "outcome", "n_quotes"])
