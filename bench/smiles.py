"""Smile fits in batches: many slices in one call, and a whole chain from prices to SVI, against QuantLib.

What belongs here: what the batch functions reach. What does not: one slice a call (``fits``), timing
(``harness``), the served surface (``chains``).
"""

from __future__ import annotations

import numpy as np
import QuantLib as ql  # noqa: N813

from bench.harness import Contender, Result, markdown, race
from periscope_analytics import black
from periscope_analytics.calibration import fit_sabr_slices, fit_svi_slices
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.sabr import SABRParams
from periscope_analytics.svi import SVIParams

SLICES = 200
GUESS = (0.02, 0.2, 0.2, -0.3, 0.0)
"""QuantLib's a, sigma, b, rho, m to start from."""


def _rmse(difference) -> str:
    return f"{1e4 * np.sqrt(np.nanmean(np.square(difference))):.3f} bps of vol"


def _by_quantlib(tau, strikes, vol):
    end = ql.Settings.instance().evaluationDate + round(365 * tau)
    section = ql.SviInterpolatedSmileSection(
        end, 100.0, strikes, False, float(vol[len(vol) // 2]), vol, *GUESS, *(False,) * 6
    )
    section.variance(100.0)
    return section


def svi() -> list[Result]:
    """200 noisy slices of 40 quotes at half a year, each with a smile of its own."""
    tau, k, rng = 0.5, np.linspace(-0.5, 0.3, 40), np.random.default_rng(3)
    smiles = [
        SVIParams(*rng.uniform([0.005, 0.05, -0.8, -0.05, 0.08], [0.02, 0.15, -0.2, 0.05, 0.2]))
        for _ in range(SLICES)
    ]
    vol = np.stack([smile.iv(k, tau) for smile in smiles]) + 5e-4 * rng.standard_normal((SLICES, k.size))
    moneyness, w = np.tile(k, SLICES), (vol * vol * tau).ravel()
    offsets, strikes = np.arange(SLICES + 1) * k.size, (100.0 * np.exp(k)).tolist()
    exact, rows = round(365 * tau) / 365.0, vol.tolist()

    def ours(arbitrage_free):
        return fit_svi_slices(moneyness, w, offsets, arbitrage_free=arbitrage_free)

    def error(arbitrage_free):
        fitted = w + ours(arbitrage_free).residuals
        return _rmse(np.sqrt(fitted / tau) - vol.ravel())

    def quantlib():
        return [_by_quantlib(tau, strikes, row) for row in rows]

    theirs = [
        [np.sqrt(each.variance(x) / exact) - v for x, v in zip(strikes, row, strict=True)]
        for each, row in zip(quantlib(), rows, strict=True)
    ]
    return race(
        [
            Contender("Periscope, unconstrained", lambda: ours(False), SLICES, error(False)),
            Contender("Periscope, g >= 0", lambda: ours(True), SLICES, error(True)),
            Contender("QuantLib, unconstrained", quantlib, SLICES, _rmse(theirs)),
        ],
        rounds=10,
    )


def sabr() -> list[Result]:
    """200 noisy smiles of 15 quotes at 1.5 years."""
    strikes, rng = np.linspace(0.6, 1.6, 15), np.random.default_rng(4)
    vol = np.stack(
        [
            SABRParams(
                rng.uniform(0.15, 0.3), 0.5, rng.uniform(-0.7, 0.2), rng.uniform(0.3, 0.9)
            ).implied_vol(1.0, strikes, 1.5)
            for _ in range(SLICES)
        ]
    )
    vol = vol + 5e-4 * rng.standard_normal(vol.shape)
    every, flat, offsets = np.tile(strikes, SLICES), vol.ravel(), np.arange(SLICES + 1) * strikes.size
    points, rows = ql.Array(strikes.tolist()), [ql.Array(row.tolist()) for row in vol]

    def ours():
        return fit_sabr_slices(1.0, every, 1.5, flat, 0.5, offsets)

    def quantlib():
        return [
            ql.SABRInterpolation(points, row, 1.5, 1.0, 0.2, 0.5, 0.4, 0.0, False, True, *(False,) * 3)
            for row in rows
        ]

    theirs = [[each(float(x)) for x in strikes] - row for each, row in zip(quantlib(), vol, strict=True)]
    return race(
        [
            Contender("Periscope", ours, SLICES, _rmse(ours().residuals)),
            Contender("QuantLib", quantlib, SLICES, _rmse(theirs)),
        ],
        rounds=10,
    )


def chain() -> list[Result]:
    """800 prices of 20 expiries to implied vols and 20 SVI slices; QuantLib starts from our vols."""
    rng, n = np.random.default_rng(5), 40
    taus = np.linspace(0.05, 2.0, 20)
    smiles = [SVIParams(0.04 * t, 0.1 * np.sqrt(t), -0.5, 0.0, 0.15 * np.sqrt(t)) for t in taus]
    k = np.sqrt(taus)[:, None] * np.linspace(-0.6, 0.4, n)
    vol = np.stack([s.iv(x, t) for s, x, t in zip(smiles, k, taus, strict=True)])
    vol = vol + 5e-4 * rng.standard_normal(vol.shape)
    tau, strike = np.repeat(taus, n), 100.0 * np.exp(k.ravel())
    call, moneyness = strike >= 100.0, k.ravel()
    price = black.price(100.0, strike, tau, vol.ravel(), call)
    offsets, points = np.arange(taus.size + 1) * n, strike.reshape(k.shape).tolist()

    def ours():
        iv = implied_vol(price, 100.0, strike, tau, call).sigma
        return fit_svi_slices(moneyness, iv * iv * tau, offsets)

    def quantlib():
        return [_by_quantlib(t, x, row) for t, x, row in zip(taus, points, vol.tolist(), strict=True)]

    fitted = vol.ravel() ** 2 * tau + ours().residuals
    return race(
        [
            Contender("Periscope, IV + SVI, g >= 0", ours, 1, _rmse(np.sqrt(fitted / tau) - vol.ravel())),
            Contender("QuantLib, SVI alone", quantlib, 1, "unconstrained"),
        ],
        rounds=10,
    )


def tables() -> list[str]:
    """Return every table of smile fits in batches."""
    return [
        markdown(f"SVI, {SLICES} slices of 40 noisy quotes in one call, a slice", svi()),
        markdown(f"SABR, {SLICES} smiles of 15 noisy quotes in one call, a smile", sabr()),
        markdown("800 prices of 20 expiries to vols and SVI slices", chain(), "ms", 1e-6),
    ]
