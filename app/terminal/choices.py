"""What the command line lets a person choose from.

What belongs here: enumerations of arguments; importing them costs nothing. What does not: what they cause.
"""

from __future__ import annotations

from enum import StrEnum


class View(StrEnum):
    """What can be shown."""

    CHAIN = "chain"
    SURFACE = "surface"
    SKEW = "skew"
    HESTON = "heston"
    SIGNALS = "signals"


class FileFormat(StrEnum):
    """Formats of exported files."""

    CSV = "csv"
    PARQUET = "parquet"
