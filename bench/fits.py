"""Smile fits against QuantLib's: SVI and SABR, each to the same noisy quotes.

What belongs here: calibrations raced by ``peers``. What does not: prices (``peers``), timing (``harness``).
"""

from __future__ import annotations

import numpy as np
import QuantLib as ql  # noqa: N813
from pysabr import Hagan2002LognormalSABR

from bench.harness import Contender, Result, race
from periscope_analytics.calibration.sabr import fit_sabr
from periscope_analytics.calibration.svi import fit_svi
from periscope_analytics.sabr import SABRParams
from periscope_analytics.svi import SVIParams


def _rmse(vol, target) -> str:
    return f"{1e4 * np.sqrt(np.mean((np.asarray(vol) - target) ** 2)):.3f} bps of vol"


def svi() -> list[Result]:
    tau, k = 0.5, np.linspace(-0.5, 0.3, 40)
    vol = SVIParams(a=0.01, b=0.1, rho=-0.6, m=0.02, sigma=0.12).iv(k, tau)
    vol = vol + 5e-4 * np.random.default_rng(3).standard_normal(k.size)
    w, strikes = vol * vol * tau, (100.0 * np.exp(k)).tolist()
    end = ql.Settings.instance().evaluationDate + round(365 * tau)
    exact_tau = round(365 * tau) / 365.0
    atm = float(np.interp(0.0, k, vol))

    def quantlib():
        section = ql.SviInterpolatedSmileSection(
            end, 100.0, strikes, False, atm, vol.tolist(),
            0.02, 0.2, 0.2, -0.3, 0.0, False, False, False, False, False, False,
        )  # fmt: skip
        section.variance(100.0)
        return section

    section = quantlib()
    theirs = [np.sqrt(section.variance(x) / exact_tau) for x in strikes]

    def ours(free):
        return fit_svi(k, w, arbitrage_free=not free)

    return race(
        [
            Contender(
                "Periscope, unconstrained", lambda: ours(True), 1, _rmse(ours(True).params.iv(k, tau), vol)
            ),
            Contender("Periscope, g >= 0", lambda: ours(False), 1, _rmse(ours(False).params.iv(k, tau), vol)),
            Contender("QuantLib, unconstrained", quantlib, 1, _rmse(theirs, vol)),
        ],
        rounds=20,
    )


def sabr() -> list[Result]:
    strikes = np.linspace(0.6, 1.6, 15)
    truth = SABRParams(alpha=0.2, beta=0.5, rho=-0.4, nu=0.6)
    vol = truth.implied_vol(1.0, strikes, 1.5)
    vol = vol + 5e-4 * np.random.default_rng(4).standard_normal(strikes.size)

    def quantlib():
        return ql.SABRInterpolation(
            ql.Array(strikes.tolist()), ql.Array(vol.tolist()), 1.5, 1.0, 0.2, 0.5, 0.4, 0.0,
            False, True, False, False, False,
        )  # fmt: skip

    def ours():
        return fit_sabr(1.0, strikes, 1.5, vol, 0.5)

    def pysabr():
        return Hagan2002LognormalSABR(f=1.0, t=1.5, beta=0.5).fit(strikes, 100.0 * vol)

    theirs = [quantlib()(float(x)) for x in strikes]
    alpha, rho, nu = pysabr()
    other = SABRParams(alpha=alpha, beta=0.5, rho=rho, nu=nu).implied_vol(1.0, strikes, 1.5)
    mine = ours().params.implied_vol(1.0, strikes, 1.5)
    return race(
        [
            Contender("Periscope", ours, 1, _rmse(mine, vol)),
            Contender("QuantLib", quantlib, 1, _rmse(theirs, vol)),
            Contender("pysabr", pysabr, 1, _rmse(other, vol)),
        ],
        rounds=20,
    )
