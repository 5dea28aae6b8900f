"""How many examples slow properties take: few by day, as many as all others in the nightly profile."""

from __future__ import annotations

from hypothesis import settings

NIGHTLY = 1_000


def few(n: int) -> settings:
    """Return settings of `n` examples, and of the profile's own number where that is a nightly one."""
    usual = settings().max_examples
    return settings(max_examples=usual if usual >= NIGHTLY else n)
