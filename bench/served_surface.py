"""Time of the served surface: a slice of 300 quotes, a chain of 58 expiries, and evaluation between expiries.

The chain is simulated from known Heston parameters, so that the bench runs anywhere; single thread, best of
many runs because that is what the code needs, not what the machine was busy with. Run:
``python -m bench.served_surface``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import platform
import time
from collections.abc import Callable

import numpy as np

from periscope_analytics import black
from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.calibration.served_errors import chained_errors
from periscope_analytics.calibration.slice import fit_slice
from periscope_analytics.heston import HestonParams

TRUTH = HestonParams(v0=0.02, kappa=3.0, theta=0.035, sigma=0.7, rho=-0.65)
TAUS = np.concatenate([np.arange(1, 36) / 365.0, np.geomspace(40 / 365.0, 2.3, 23)])


def simulated(tau: float, n: int, rng: np.random.Generator) -> SliceQuotes:
    """Quotes of one expiry: bands of 20 vol bps, the truth anywhere inside them."""
    k = np.linspace(-6.0, 3.0, n) * 0.17 * np.sqrt(tau)
    vol = TRUTH.implied_vol(1.0, np.exp(k), tau)
    price = black.price(1.0, np.exp(k), tau, vol, k >= 0.0)
    half = 10e-4 * black.greeks(1.0, np.exp(k), tau, vol, k >= 0.0).vega
    mid = price + rng.uniform(-1.0, 1.0, n) * half
    return SliceQuotes(tau, k, np.maximum(mid - half, 0.2 * mid), mid + half)


def best(call: Callable[[], object], runs: int) -> float:
    """Return the least of the runs' times, in ms."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    wide = simulated(0.25, 300, rng)
    chain = [simulated(float(tau), 150, rng) for tau in TAUS]
    small = [simulated(float(tau), 40, rng) for tau in np.geomspace(7 / 365, 2.0, 20)]
    fit, small_fit = fit_surface(chain), fit_surface(small)
    k = np.linspace(-0.5, 0.3, 2000)
    inside = np.mean([each.inside for each in fit.slices])
    rows = [
        ("first slice, 300 quotes", best(lambda: fit_slice(*wide[1:], tau=wide.tau), 50)),
        ("58 expiries x 150 quotes", best(lambda: fit_surface(chain), 20)),
        ("20 expiries x 40 quotes", best(lambda: fit_surface(small), 20)),
        ("20 expiries x 40 quotes, certificate", best(lambda: certify(small_fit.params), 10)),
        ("58 expiries, chained errors", best(lambda: chained_errors(chain, fit), 5)),
        ("2,000 vols at an expiry", best(lambda: fit.params.iv(k, float(TAUS[30])), 50)),
        ("2,000 vols between expiries", best(lambda: fit.params.iv(k, 0.5 * float(TAUS[30] + TAUS[31])), 50)),
    ]
    print(f"{platform.processor() or platform.machine()}, numpy {np.__version__}")
    for name, milliseconds in rows:
        print(f"{name:40s} {milliseconds:9.3f} ms")
    print(
        f"inside their bands: {inside:.4f}; second mode at most {max(f.second_mode for f in fit.slices):.1e}"
    )


if __name__ == "__main__":
    main()
