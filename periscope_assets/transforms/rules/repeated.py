"""Rules about contracts that are in a snapshot more than once.

What belongs here: which of several rows of one contract stands. What does not: corrections by a later file
(``pipeline``). Of several contents the one received last wins, unless it is stamped earlier than one before
it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from periscope_assets.transforms.frames import Bools
from periscope_assets.transforms.rules.facts import Facts
from periscope_assets.transforms.rules.rule import quarantine

DUPLICATE, CONFLICT, OUT_OF_SEQUENCE = 1, 2, 3
_CONTENT = (
    "bid", "ask", "bid_size", "ask_size", "last", "volume", "open_interest", "vendor_iv", "vendor_delta",
    "vendor_mark", "underlying_price", "multiplier",
)  # fmt: skip


def _kinds(facts: Facts) -> np.ndarray:
    """Return 0, or what is wrong with each row that repeats another's contract."""
    kinds = np.zeros(len(facts), dtype=np.int8)
    codes = pd.factorize(facts.column("contract"))[0]
    repeated = np.flatnonzero(np.bincount(codes, minlength=1)[codes] > 1) if len(codes) else codes
    if not len(repeated):
        return kinds
    rows = pd.DataFrame(
        {"contract": codes[repeated], "at": facts.quoted_at[repeated], "hash": _hashes(facts, repeated)}
    )
    latest = rows.groupby("contract")["at"].cummax()
    late = (rows["at"] < latest).to_numpy()
    standing = rows[~late]
    winner = rows["contract"].map(standing.groupby("contract")["hash"].last())
    same = (rows["hash"] == winner).to_numpy() & ~late
    first = ~rows[same].duplicated("contract").to_numpy()
    kinds[repeated[late]] = OUT_OF_SEQUENCE
    kinds[repeated[~late & ~same]] = CONFLICT
    kinds[repeated[same][~first]] = DUPLICATE
    return kinds


def _hashes(facts: Facts, rows: np.ndarray) -> np.ndarray:
    content = pd.DataFrame({name: facts.number(name)[rows] + 0.0 for name in _CONTENT})
    return pd.util.hash_pandas_object(content.assign(at=facts.quoted_at[rows]), index=False).to_numpy()


def _is(facts: Facts, kind: int) -> Bools:
    return np.asarray(facts.once(_kinds) == kind)


def _quote(facts: Facts, row: int) -> str:
    return f"{facts.column('contract').iloc[row]} at bid {facts.bid[row]:g}, ask {facts.ask[row]:g}"


RULES = (
    quarantine(
        "out_of_sequence",
        "the row follows one of the same contract that was quoted later",
        lambda f: _is(f, OUT_OF_SEQUENCE),
        lambda f, i: f"{_quote(f, i)}, quoted at {f.quoted_at[i]} UTC, follows a later quote",
    ),
    quarantine(
        "duplicate",
        "the same contract is in the snapshot with the same content",
        lambda f: _is(f, DUPLICATE),
        lambda f, i: f"{_quote(f, i)}, is in the snapshot before with the same content",
    ),
    quarantine(
        "conflict",
        "the same contract was received later with another content, which stands",
        lambda f: _is(f, CONFLICT),
        lambda f, i: f"{_quote(f, i)}, was received again later with another content",
    ),
)
