"""Random numbers that depend on nothing but their key.

What belongs here: draws by hashing, exact in binary arithmetic, so that every machine gets the same. What
does not: random generators with a state.
"""

from __future__ import annotations

from hashlib import blake2b

_WORDS = 12


def _digest(key: tuple[object, ...], size: int) -> bytes:
    return blake2b("|".join(map(str, key)).encode(), digest_size=size).digest()


def uniform(*key: object) -> float:
    """Return a uniform draw from [0, 1) that belongs to `key`."""
    return int.from_bytes(_digest(key, 6), "big") / 2.0**48


def normal(*key: object) -> float:
    """Return a draw of mean 0, variance 1 that belongs to `key`: the sum of 12 uniforms less 6."""
    digest = _digest(key, 4 * _WORDS)
    words = (int.from_bytes(digest[4 * i : 4 * i + 4], "big") for i in range(_WORDS))
    return sum(words) / 2.0**32 - _WORDS / 2
