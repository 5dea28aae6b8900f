"""Heston prices and fits against QuantLib's, on parameter sets that nothing was tuned on.

What belongs here: the Heston tasks raced by ``peers``. What does not: other models, timing (``harness``).
Run alone: ``python -m bench.heston``.
"""

from __future__ import annotations

from bench.harness import Contender, Result, markdown, race  # isort: skip

import sys
from dataclasses import astuple

import numpy as np
import QuantLib as ql  # noqa: N813

from periscope_analytics.calibration.heston import fit_heston
from periscope_analytics.heston import HestonParams

GRIDS = {
    "equity index": HestonParams(v0=0.05, kappa=1.7, theta=0.045, sigma=0.6, rho=-0.6),
    "heavy tails": HestonParams(v0=0.02, kappa=0.9, theta=0.07, sigma=1.4, rho=-0.85),
    "fast and mild": HestonParams(v0=0.12, kappa=5.5, theta=0.08, sigma=0.35, rho=0.2),
}
TRUTH = HestonParams(v0=0.033, kappa=2.1, theta=0.058, sigma=0.75, rho=-0.62)
QUANTLIB_START = (0.1, 1.0, 0.1, 0.5, -0.5)
"""v0, kappa, theta, sigma, rho: the starting point of QuantLib's own calibration test."""


def _flat() -> ql.YieldTermStructureHandle:
    today = ql.Settings.instance().evaluationDate
    return ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, ql.Actual365Fixed()))


def _model(v0: float, kappa: float, theta: float, sigma: float, rho: float) -> ql.HestonModel:
    spot = ql.QuoteHandle(ql.SimpleQuote(100.0))
    return ql.HestonModel(ql.HestonProcess(_flat(), _flat(), spot, v0, kappa, theta, sigma, rho))


def grid(params: HestonParams) -> list[Result]:
    """Race for 20 maturities x 50 strikes."""
    today = ql.Settings.instance().evaluationDate
    days, strikes = np.linspace(20, 730, 20).astype(int), np.linspace(70.0, 140.0, 50)
    engine = ql.ExponentialFittingHestonEngine(_model(*astuple(params)))
    options = []
    for end in days:
        exercise = ql.EuropeanExercise(today + int(end))
        for strike in strikes:
            options.append(ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Call, float(strike)), exercise))
            options[-1].setPricingEngine(engine)
    tau = days[:, None] / 365.0

    def quantlib():
        for option in options:
            option.recalculate()
        return np.array([option.NPV() for option in options])

    def ours(tolerance):
        return params.price(100.0, strikes, tau, True, tolerance=tolerance).ravel()

    exact = ours(1e-13)

    def error(got):
        return f"{np.max(np.abs(got - exact)) / 100.0:.0e} of spot"

    return race(
        [
            Contender("Periscope, tolerance 1e-8", lambda: ours(1e-8), 1000, error(ours(1e-8))),
            Contender("Periscope, tolerance 1e-13", lambda: ours(1e-13), 1000, "reference"),
            Contender("QuantLib exponential fitting", quantlib, 1000, error(quantlib())),
        ],
        rounds=15,
    )


def _quotes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return days, strikes and noisy vols of 10 expiries x 20 strikes."""
    days = np.repeat([14, 30, 45, 60, 91, 122, 182, 273, 365, 730], 20)
    strike = 100.0 * np.exp(np.tile(np.linspace(-2.2, 1.5, 20), 10) * 0.22 * np.sqrt(days / 365.0))
    vol = TRUTH.implied_vol(100.0, strike, days / 365.0)
    return days, strike, vol + 2e-3 * np.random.default_rng(11).standard_normal(vol.size)


def _laguerre(model):
    return ql.AnalyticHestonEngine(model, 64)


def _quantlib_fit(days, strike, vol, engine, error_type):
    model = _model(*QUANTLIB_START)
    pricer = engine(model)
    helpers = []
    for end, x, iv in zip(days, strike, vol, strict=True):
        helper = ql.HestonModelHelper(
            ql.Period(int(end), ql.Days), ql.NullCalendar(), 100.0, float(x),
            ql.QuoteHandle(ql.SimpleQuote(float(iv))), _flat(), _flat(), error_type,
        )  # fmt: skip
        helper.setPricingEngine(pricer)
        helpers.append(helper)
    search = ql.LevenbergMarquardt(1e-8, 1e-8, 1e-8)
    model.calibrate(helpers, search, ql.EndCriteria(400, 40, 1e-8, 1e-8, 1e-8))
    theta, kappa, sigma, rho, v0 = model.params()
    return HestonParams(v0, kappa, theta, sigma, rho)


def calibration() -> list[Result]:
    """Race for 200 quotes in 10 expiries; each contender's own starting points."""
    days, strike, vol = _quotes()

    def distance(params):
        error = 1e4 * (params.implied_vol(100.0, strike, days / 365.0) - vol)
        return f"{np.sqrt(np.mean(error**2)):.4f} bps of vol"

    def ours():
        return fit_heston(100.0, strike, days / 365.0, vol).params

    vols, prices = ql.BlackCalibrationHelper.ImpliedVolError, ql.BlackCalibrationHelper.PriceError
    contenders = [Contender("Periscope", ours, 1, distance(ours()))]
    for name, engine, error_type in (
        ("Gauss-Laguerre 64, vol errors", _laguerre, vols),
        ("exponential fitting, vol errors", ql.ExponentialFittingHestonEngine, vols),
        ("COS, vol errors", ql.COSHestonEngine, vols),
        ("Gauss-Laguerre 64, price errors", _laguerre, prices),
    ):

        def theirs(engine=engine, error_type=error_type):
            return _quantlib_fit(days, strike, vol, engine, error_type)

        contenders.append(Contender(f"QuantLib LM, {name}", theirs, 1, distance(theirs())))
    return race(contenders, rounds=5)


def tables() -> list[str]:
    """Return every Heston table."""
    grids = [
        markdown(f"Heston prices, 20 maturities x 50 strikes, {name}", grid(p)) for name, p in GRIDS.items()
    ]
    return [*grids, markdown("Heston fit, 200 noisy quotes in 10 expiries", calibration())]


if __name__ == "__main__":
    ql.Settings.instance().evaluationDate = ql.Date(2, 1, 2025)
    sys.stdout.write("\n".join(tables()))
