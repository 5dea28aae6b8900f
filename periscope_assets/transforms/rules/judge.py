"""The order in which rules are asked, and what comes of it.

What belongs here: phases and verdicts. What does not: any rule. A row gets the reason of the first rule that
finds it. Rules about a row by itself come first, then rows of one contract, then quotes of one expiry, so
that no rule compares a row with one that was refused before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periscope_assets.transforms.frames import digest
from periscope_assets.transforms.rules import figures, identity, market, repeated
from periscope_assets.transforms.rules.facts import Context, Facts
from periscope_assets.transforms.rules.rule import Rule

_PHASES: tuple[tuple[Rule, ...], ...] = ((*identity.RULES, *figures.RULES), repeated.RULES, market.RULES)
_NOTES: tuple[Rule, ...] = (*figures.NOTES, *market.NOTES)

RULES: tuple[Rule, ...] = (*(rule for phase in _PHASES for rule in phase), *_NOTES)
"""Every rule, in the order in which they are asked."""

REASONS = tuple(rule.id for phase in _PHASES for rule in phase)
"""Reason codes of quarantined rows."""

FLAGS = tuple(rule.id for rule in _NOTES)
"""Flags of accepted rows."""

VERSION = digest([[rule.id, rule.version, rule.severity.value] for rule in RULES])
"""Version of all rules: it changes when one is added, changed or removed."""

_VERSIONS = {rule.id: rule.version for rule in RULES}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say about n rows.

    Attributes
    ----------
    accepted, refused : ndarray of int
        Positions of the rows, ascending; together all of them.
    reasons, versions, details : sequence
        Of each refused row: the rule's id and version, and a sentence with the numbers.
    flags : ndarray of object
        Of each accepted row: ids joined by +, None for none.
    n_flags : dict of str to int
        How many accepted rows each flag marks.
    """

    accepted: NDArray[np.int64]
    refused: NDArray[np.int64]
    reasons: Sequence[str]
    versions: Sequence[int]
    details: Sequence[str]
    flags: NDArray[np.object_]
    n_flags: dict[str, int]


def judge(rows: pd.DataFrame, context: Context) -> Verdict:
    """Ask every rule about every row that none has refused before.

    Parameters
    ----------
    rows : DataFrame, length n
        Columns of ``sources.base.QUOTE_COLUMNS``.
    context : Context
    """
    left = np.arange(len(rows), dtype=np.int64)
    found: list[tuple[int, str, str]] = []
    facts = Facts(rows, context, left)
    for phase in _PHASES:
        open_rows = np.ones(len(left), dtype=np.bool_)
        for rule in phase:
            where = np.flatnonzero(rule.finds(facts) & open_rows)
            open_rows[where] = False
            found += [(int(left[row]), rule.id, rule.detail(facts, int(row))) for row in where]
        if not open_rows.all():
            left = left[open_rows]
            facts = Facts(rows, context, left)
    flags, n_flags = _flags(facts)
    found.sort()
    refused = np.array([row for row, _, _ in found], dtype=np.int64)
    reasons = [reason for _, reason, _ in found]
    versions = [_VERSIONS[reason] for reason in reasons]
    return Verdict(left, refused, reasons, versions, [detail for _, _, detail in found], flags, n_flags)


def _flags(facts: Facts) -> tuple[NDArray[np.object_], dict[str, int]]:
    marks = np.zeros(len(facts), dtype=np.int64)
    counted: dict[str, int] = {}
    for bit, rule in enumerate(_NOTES):
        found = rule.finds(facts)
        marks |= found.astype(np.int64) << bit
        counted[rule.id] = int(found.sum())
    sets, inverse = np.unique(marks, return_inverse=True)
    texts = np.empty(len(sets), dtype=object)
    texts[:] = [
        "+".join(rule.id for bit, rule in enumerate(_NOTES) if each >> bit & 1) or None
        for each in sets.tolist()
    ]
    return texts[inverse], {name: n for name, n in counted.items() if n}
