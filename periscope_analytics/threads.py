"""Large batches split over threads.

What belongs here: one function that runs a kernel on ranges of a batch, for kernels that release the
interpreter's lock. What does not: pools that outlive a call (they break after a fork), processes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from numba import config

_LEAST_PART = 50_000


def in_parts(work: Callable[[int, int], int], size: int, least: int = _LEAST_PART) -> int:
    """Run `work(begin, end)` over the range 0 to `size` and return the sum of what it returns.

    Batches of more than twice `least` are split over threads, as many as numba may use
    (``NUMBA_NUM_THREADS``, by default the processors).
    """
    n = min(int(config.NUMBA_NUM_THREADS), size // least)
    if n < 2 or size <= 2 * least:
        return work(0, size)
    first, *rest = pairwise(size * i // n for i in range(n + 1))
    with ThreadPoolExecutor(n - 1) as pool:
        others = [pool.submit(work, *part) for part in rest]
        return work(*first) + sum(other.result() for other in others)
