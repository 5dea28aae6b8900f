"""What a rule is.

What belongs here: the type. What does not: any rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from periscope_assets.transforms.rules.facts import Facts

Bools = NDArray[np.bool_]


class Severity(Enum):
    """What becomes of a row that a rule finds."""

    QUARANTINE = "quarantine"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong with, or worth knowing about, a row.

    Attributes
    ----------
    id : str
        Reason code of a quarantined row, flag of an accepted one.
    version : int
        Rises when the rule would find other rows.
    severity : Severity
    about : str
        What it finds, for people.
    finds : callable
        Facts about n rows -> bool, shape (n,).
    detail : callable
        Facts and the position of a row -> one sentence with its numbers.
    """

    id: str
    version: int
    severity: Severity
    about: str
    finds: Callable[[Facts], Bools]
    detail: Callable[[Facts, int], str]


def quarantine(
    name: str,
    about: str,
    finds: Callable[[Facts], Bools],
    detail: Callable[[Facts, int], str],
    version: int = 1,
) -> Rule:
    """Return a rule that keeps the rows that it finds out of the accepted quotes."""
    return Rule(name, version, Severity.QUARANTINE, about, finds, detail)


def flag(name: str, about: str, finds: Callable[[Facts], Bools], version: int = 1) -> Rule:
    """Return a rule that marks accepted quotes; the numbers stand in the row itself."""
    return Rule(name, version, Severity.FLAG, about, finds, lambda _facts, _row: about)
