"""Whole tasks without a peer: from 800 quotes to a certified surface, two threads, a process's first call.

What belongs here: what the speed of the parts comes to, raced by ``peers``. What does not: the parts, timing
(``harness``). Run alone: ``python -m bench.chains``.
"""

from __future__ import annotations

from bench.harness import Contender, Result, markdown, race  # isort: skip

import os
import subprocess
import sys

import numba
import numpy as np

from bench.served_surface import simulated
from periscope_analytics import black
from periscope_analytics.calibration.served import fit_surface
from periscope_analytics.calibration.svi import fit_svi_slices
from periscope_analytics.certificate import certify_served
from periscope_analytics.implied_vol import implied_vol

FIRST_CALL = """
from periscope_analytics import black
from periscope_analytics.implied_vol import implied_vol
price = black.greeks(100.0, [90.0, 110.0], 0.5, 0.2, True).price
implied_vol(price, 100.0, [90.0, 110.0], 0.5, True)
"""


def surface() -> list[Result]:
    """Time the stages of 800 quotes in 20 expiries; an item is the chain."""
    rng = np.random.default_rng(0)
    chain = [simulated(float(tau), 40, rng) for tau in np.geomspace(7 / 365, 2.0, 20)]
    k = np.concatenate([each.k for each in chain])
    tau = np.repeat([each.tau for each in chain], 40)
    price = np.concatenate([0.5 * (each.price_bid + each.price_ask) for each in chain])
    strike, is_call, offsets = np.exp(k), k >= 0.0, np.arange(0, 801, 40)

    def smiles():
        vol = implied_vol(price, 1.0, strike, tau, is_call).sigma
        return fit_svi_slices(k, vol * vol * tau, offsets, arbitrage_free=False)

    def certified():
        return certify_served(fit_surface(chain).params)

    fit, found = fit_surface(chain), certified()
    inside = f"{100.0 * np.mean([each.inside for each in fit.slices]):.2f} % inside their bands"
    free = f"{found.n_butterfly + found.n_calendar} violations on {found.grid.size} x {found.tenors.size}"
    return race(
        [
            Contender("implied vols and SVI slices, unconstrained", smiles, 1, ""),
            Contender("served surface", lambda: fit_surface(chain), 1, inside),
            Contender("its certificate", lambda: certify_served(fit.params), 1, free),
            Contender("served surface and certificate", certified, 1, free),
        ],
        rounds=20,
    )


def threads(n: int) -> list[Result]:
    """Race two threads against one for a large batch."""
    rng = np.random.default_rng(2)
    tau, strike = rng.uniform(0.02, 2.0, n), 100.0 * np.exp(rng.uniform(-0.5, 0.5, n))
    vol, is_call = rng.uniform(0.1, 0.6, n), rng.random(n) < 0.5
    price = black.price(100.0, strike, tau, vol, is_call)

    def on(count, call):
        def run():
            numba.config.NUMBA_NUM_THREADS = count
            call()
            numba.config.NUMBA_NUM_THREADS = 1

        return run

    def greeks():
        black.first_greeks(100.0, strike, tau, vol, is_call)

    def vols():
        implied_vol(price, 100.0, strike, tau, is_call)

    return race(
        [
            Contender("price + 5 greeks, one thread", on(1, greeks), n, ""),
            Contender("price + 5 greeks, two threads", on(2, greeks), n, ""),
            Contender("implied vol, one thread", on(1, vols), n, ""),
            Contender("implied vol, two threads", on(2, vols), n, ""),
        ],
        rounds=12,
    )


def first_call() -> list[Result]:
    """Time a new process up to its first price, greeks and implied vol, the kernels' cache being warm."""

    def start(program):
        return lambda: subprocess.run([sys.executable, "-c", program], env=os.environ, check=True)

    return race(
        [
            Contender("a process that imports, prices and inverts", start(FIRST_CALL), 1, ""),
            Contender("a process that imports numba only", start("import numba"), 1, ""),
        ],
        rounds=5,
    )


def tables() -> list[str]:
    """Return every table of whole tasks."""
    return [
        markdown("800 quotes in 20 expiries", surface(), "ms", 1e-6),
        markdown("Threads, 1,000,000 options", threads(1_000_000)),
        markdown("First call of a new process, warm cache", first_call(), "ms", 1e-6),
    ]


if __name__ == "__main__":
    sys.stdout.write("\n".join(tables()))
