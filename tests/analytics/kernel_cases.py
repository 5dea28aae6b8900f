"""Small cases that pass through every kernel, and which kernels they passed through.

What belongs here: the program that ``test_without_jit`` runs with and without the compiler. It prints one
JSON object: numbers by case, and the kernels' functions that ran as Python.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import numpy as np

from periscope_analytics import american, black, kernels, montecarlo
from periscope_analytics.american_forward import fit_american_forward
from periscope_analytics.calibration import (
    SliceQuotes,
    fit_essvi,
    fit_heston,
    fit_sabr,
    fit_sabr_slices,
    fit_surface,
    fit_svi,
    fit_svi_surface,
)
from periscope_analytics.calibration.served_errors import chained_errors
from periscope_analytics.calibration.slice import SliceSettings
from periscope_analytics.certificate import certify_served
from periscope_analytics.forward import fit_forward, fit_inverse_forward, free_discounts, two_sided
from periscope_analytics.heston import HestonParams
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.kernels import black as kernel
from periscope_analytics.kernels import heston as heston_kernel
from periscope_analytics.kernels import svi_bound
from periscope_analytics.sabr import SABRParams
from periscope_analytics.svi import SVIParams

HESTON = HestonParams(0.04, 1.5, 0.05, 0.6, -0.6)
SIDES = np.arange(12) % 3 == 0
STRIKES = np.array([1e-3, 20.0, 60.0, 80.0, 90.0, 99.0, 100.0, 103.0, 115.0, 140.0, 300.0, 9e4])
NEAR = np.linspace(85.0, 115.0, 7)


def black_76() -> list[Any]:
    out = [
        black.greeks(100.0, STRIKES, tau, vol, SIDES, 0.97)
        for tau, vol in ((0.5, 0.2), (1e-4, 0.1), (9.0, 2.0))
    ]
    first = black.first_greeks(100.0, STRIKES, 0.5, 0.2, SIDES)
    limits = black.price(100.0, [90.0, 100.0, 110.0], [0.0, 0.5, 0.5], [0.2, 0.0, np.inf], True)
    bsm = black.bsm_greeks(100.0, STRIKES, 0.5, 0.04, 0.01, 0.2, SIDES)
    return [*([each.price, each.vega, each.rho, each.volga] for each in (*out, bsm)), *first, limits]


def implied() -> list[Any]:
    price = black.price(100.0, STRIKES, 0.5, 0.3, SIDES)
    hard = implied_vol([0.0, 1e-290, 5.0, 120.0, 99.9999], 100.0, [90.0, 1e3, 100.0, 100.0, 1e-3], 0.5, True)
    return [*implied_vol(price, 100.0, STRIKES, 0.5, SIDES), *hard]


def americans() -> list[Any]:
    cases = [(0.05, 0.02, None), (-0.02, -0.01, None), (-0.01, -0.03, None), (0.05, 0.0, ([1.0], [0.2]))]
    out: list[Any] = []
    for rate, q, dividends in cases:
        price = american.price(
            100.0,
            [90.0, 110.0, 100.0],
            [0.5, 0.5, 0.0],
            rate,
            q,
            [0.2, 0.2, 0.2],
            [True, False, True],
            dividends,
        )
        out += [
            price,
            *american.implied_vol(
                price[:2] + 0.1, 100.0, [90.0, 110.0], 0.5, rate, q, [True, False], dividends
            ),
        ]
    return [*out, american.price(100.0, 110.0, 0.5, 0.05, 0.0, 0.0, False)]


def parity() -> list[Any]:
    strike = np.linspace(80.0, 120.0, 12)
    call, put = black.price(100.0, strike, 0.5, 0.2, True), black.price(100.0, strike, 0.5, 0.2, False)
    quotes = [strike, 0.99 * call, 1.01 * call, 0.99 * put, 1.01 * put]
    fits = [
        fit_forward(*quotes, 0.99),
        fit_forward(*quotes),
        fit_inverse_forward(strike, *(q / 100.0 for q in quotes[1:])),
    ]
    pairs = two_sided(*quotes)
    slopes = free_discounts(np.array([0, len(pairs.strike)]), pairs)
    fits.append(fit_american_forward(*quotes, 0.5, 0.03, 100.0))
    return [*([each.forward, each.stderr, each.status] for each in fits), *slopes]


def heston() -> list[Any]:
    tau = np.array([0.02, 0.5, 5.0])[:, None]
    out: list[Any] = [HESTON.price(100.0, NEAR, tau, True, 1.0, tolerance) for tolerance in (1e-8, 1e-13)]
    out.append(HestonParams(0.04, 0.5, 0.04, 3.0, 0.95).price(100.0, NEAR[:3], 2.0, False))
    iv = HESTON.implied_vol(100.0, NEAR, tau)
    fit = fit_heston(
        100.0,
        np.broadcast_to(NEAR, iv.shape).ravel(),
        np.repeat(tau, 7),
        iv.ravel(),
        initial=HESTON,
        global_search=False,
    )
    return [*out, iv, fit.rmse < 1e-6]


def alone() -> list[Any]:
    """Kernels of one element, which the lanes leave aside but for their rare ones."""
    price = [
        kernel.price_one(100.0, k, s, True, 0.97) for k in (60.0, 100.0, 180.0) for s in (0.02, 0.3, 5.0)
    ]
    vols = [
        kernel.implied_one(100.0 * b, 100.0, k, 1.0, True, 1.0)
        for k in (80.0, 100.0, 150.0, 1e4)
        for b in (1e-12, 0.02, 0.3, 0.6, 0.9, 0.999)
    ]
    k, edges, tau = np.tile(np.log(NEAR / 100.0) * 4.0, 2), np.array([0, 7, 14]), np.array([0.01, 2.0])
    for p in ((0.04, 1.5, 0.05, 0.6, -0.6), (0.04, 0.5, 0.04, 3.0, 0.95), (0.04, 0.5, 0.04, 3.0, -0.999)):
        for tolerance, rows in ((1e-8, 5), (1e-13, 0)):
            call, put, gradient = np.empty(14), np.empty(14), np.empty((rows, 14))
            heston_kernel.prices(k, edges, tau, np.array(p), tolerance, call, put, gradient)
            price += [*call, *put, *gradient.ravel()]
    price += [
        x for k in (1e-4, 90.0, 100.0, 200.0) for x in kernel.greeks_one(100.0, k, 0.5, 0.2, True, 0.97, 0.06)
    ]
    flat = np.empty(5)
    svi_bound.flatten(np.array([0.01, 0.1, -0.6, 0.02, 0.12]), 0.3, flat)
    total, left = np.zeros((3, 1)), np.array([10_000])
    p = np.array([0.04, 1.5, 0.05, 0.6, -0.6])
    done = heston_kernel._alone(np.array([0.3]), 1.0, 0.1, 1.0, 0.5, p, 1e-8, total, left)
    return [price, vols, flat, done, total[:1]]


def paths() -> list[Any]:
    made = montecarlo.simulate(HESTON, [0.5, 1.0], 8, 1, 0.25)
    return [made.ratio, made.variance]


def sabr() -> list[Any]:
    vol = SABRParams(0.2, 0.5, -0.4, 0.6).implied_vol(1.0, NEAR / 100.0, 1.5)
    fit = fit_sabr(1.0, NEAR / 100.0, 1.5, vol, 0.5)
    batch = fit_sabr_slices(1.0, NEAR / 100.0, 1.5, vol, 0.5, [0, 7])
    return [vol, [fit.params.alpha, fit.params.rho, fit.params.nu], fit.rmse < 1e-9, batch.rmse < 1e-9]


def svi() -> list[Any]:
    k, truth = np.linspace(-0.5, 0.4, 12), SVIParams(0.01, 0.1, -0.6, 0.02, 0.12)
    w = truth.total_variance(k) * (1.0 + 0.003 * np.cos(9.0 * k))
    fits = [
        fit_svi(k, w),
        fit_svi(k, w, arbitrage_free=False),
        fit_svi(k, SVIParams(-0.041, 0.1331, 0.306, 0.3586, 0.4153).total_variance(3.0 * k)),
    ]
    tau = np.repeat([0.5, 0.6], 12)
    crossing = fit_svi_surface(np.tile(k, 2), tau, np.sqrt(np.concatenate([w, 0.97 * w]) / tau))
    flatter = np.empty(5)
    svi_bound.flatten(np.array([0.01, 0.1, -0.6, 0.02, 0.12]), 0.1, flatter)
    flat = fit_svi(np.append(k, np.nan), np.full(13, 0.04))
    rmse = [flat.rmse, *(one.rmse for one in crossing.slices)]
    return [*(each.params.total_variance(k) for each in fits), rmse, flatter]


def essvi() -> list[Any]:
    k = np.linspace(-0.5, 0.4, 12)
    vol = [0.2 - 0.1 * k + 0.1 * k * k, 0.18 - 0.15 * k + 0.3 * k * k, 0.25 + 0.2 * k]
    fit = fit_essvi(np.tile(k, 3), np.repeat([0.3, 0.5, 0.6], 12), np.concatenate(vol))
    return [each.params.total_variance(k) for each in fit.params.slices]


def served() -> list[Any]:
    k = np.linspace(-0.5, 0.3, 16)
    chain = []
    for tau in (0.1, 0.3):
        price = black.price(1.0, np.exp(k), tau, 0.2 - 0.1 * k, k >= 0.0)
        chain.append(SliceQuotes(tau, k, 0.97 * price, 1.03 * price))
    thin = SliceQuotes(0.5, k[7:9], *(x[7:9] * 1.4 for x in chain[1][2:]))
    settings = SliceSettings(grid_points=40)
    fit = fit_surface([*chain, thin], settings)
    surface, found = fit.params, certify_served(fit.params)
    errors = chained_errors([*chain, thin], fit, settings)
    between = [surface.iv(k, 0.2), surface.density(k, 0.2), surface.local_vol(k, 0.3), surface.iv(k, 1.0)]
    factor = errors[1]
    return [
        fit.rmse,
        *between,
        [found.n_butterfly, found.n_calendar, found.min_g],
        surface.slices[0].quantile([0.1, 0.9]),
        np.sum(factor @ factor.T),
    ]


CASES: list[Callable[[], list[Any]]] = [
    black_76, implied, americans, parity, heston, alone, paths, sabr, svi, essvi, served,
]  # fmt: skip


def functions() -> dict[CodeType, str]:
    """Names of every function that a kernel module defines, by its code."""
    found = {}
    for each in pkgutil.iter_modules(kernels.__path__):
        module = importlib.import_module(f"{kernels.__name__}.{each.name}")
        for name, value in vars(module).items():
            code = getattr(getattr(value, "py_func", value), "__code__", None)
            if code is not None and getattr(value, "__module__", "") == module.__name__:
                found[code] = f"{each.name}.{name}"
    return found


def main() -> None:
    known, ran = functions(), set()

    def seen(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code in known:
            ran.add(known[frame.f_code])

    told = {}
    warnings.simplefilter("ignore")
    if os.environ.get("NUMBA_DISABLE_JIT"):
        sys.setprofile(seen)
    for case in CASES:
        told[case.__name__] = np.concatenate(
            [np.ravel(np.asarray(x, dtype=np.float64)) for x in case()]
        ).tolist()
    sys.setprofile(None)
    sys.stdout.write(json.dumps({"numbers": told, "ran": sorted(ran), "functions": sorted(known.values())}))


if __name__ == "__main__":
    main()
