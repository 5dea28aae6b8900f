"""Pricing tasks against the peers that do them best, interleaved, on one thread; writes docs/benchmarks.md.

What belongs here: a task, its inputs, and each contender's best settings. Peers live in an environment of
their own (``requirements.lock`` beside this file). Run: ``make bench``.
"""

from __future__ import annotations

from bench.harness import Contender, Result, markdown, race  # isort: skip
from bench import andreasen_huge, chains, fits, heston, smiles  # isort: skip

import csv
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import fast_vollib
import llvmlite.binding
import numpy as np
import QuantLib as ql  # noqa: N813
import vanilla_option_pricers
from scipy.special import ndtr
from vollib.black.implied_volatility import implied_volatility_of_undiscounted_option_price as by_rational

from periscope_analytics import american, black
from periscope_analytics.implied_vol import implied_vol

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("numpy", "scipy", "numba", "quantlib", "fast-vollib", "vanilla-option-pricers", "vollib", "pysabr")


def by_numpy(forward, strike, tau, vol, is_call, discount):
    """Price, delta, gamma, vega, theta and rho as a careful user of numpy and scipy writes them."""
    root = np.sqrt(tau)
    s = vol * root
    d1 = np.log(forward / strike) / s + 0.5 * s
    sign = np.where(is_call, 1.0, -1.0)
    n1, n2 = ndtr(sign * d1), ndtr(sign * (d1 - s))
    density = discount * np.exp(-0.5 * d1 * d1) * 0.3989422804014327
    price = discount * sign * (forward * n1 - strike * n2)
    vega = forward * density * root
    theta = (-np.log(discount) / tau * price - 0.5 * vega * vol / tau) / 365.0
    return price, discount * sign * n1, density / (forward * s), vega, theta, -tau * price


def by_fast_vollib(flag, forward, strike, tau, rate, vol):
    """Price and greeks of fast-vollib, on its numpy backend (its numba backend measured slower)."""
    price = fast_vollib.fast_black(flag, forward, strike, tau, rate, vol, return_as="numpy", backend="numpy")
    greeks = fast_vollib.get_all_greeks(
        flag, forward, strike, tau, rate, vol, model="black", return_as="dict", backend="numpy"
    )
    return price, greeks


def price_errors() -> dict[str, str]:
    """Greatest relative error of out-of-the-money prices above 1e-12 of F, against 60 digits."""
    lines = (ROOT / "tests" / "reference" / "black_60_digits.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    f, k, v, call, put = (
        np.array([float(row[name]) for row in rows]) for name in ("forward", "strike", "vol", "call", "put")
    )
    one, is_call = np.ones(f.size), k >= f
    exact = np.where(is_call, call, put)
    flag = np.where(is_call, "c", "p")
    seen = exact > 1e-12 * f
    got = {
        "ours": black.price(f, k, one, v, is_call),
        "numpy": by_numpy(f, k, one, v, is_call, one)[0],
        "fast": by_fast_vollib(flag, f, k, one, 0.0 * one, v)[0],
    }
    return {name: f"{np.max(np.abs(p / exact - 1.0)[seen]):.0e} relative" for name, p in got.items()}


def black_and_greeks(n: int) -> list[Result]:
    rng = np.random.default_rng(0)
    f, tau = np.full(n, 100.0), rng.uniform(0.02, 2.0, n)
    k, v = 100.0 * np.exp(rng.uniform(-0.5, 0.5, n)), rng.uniform(0.1, 0.6, n)
    c, r = rng.random(n) < 0.5, np.full(n, 0.03)
    d, flag = np.exp(-0.03 * tau), np.where(c, "c", "p")
    errors = price_errors()
    return race(
        [
            Contender(
                "Periscope, price + 5", lambda: black.first_greeks(f, k, tau, v, c, d), n, errors["ours"]
            ),
            Contender("Periscope, all eight", lambda: black.greeks(f, k, tau, v, c, d), n, errors["ours"]),
            Contender("numpy + scipy", lambda: by_numpy(f, k, tau, v, c, d), n, errors["numpy"]),
            Contender("fast-vollib", lambda: by_fast_vollib(flag, f, k, tau, r, v), n, errors["fast"]),
        ],
        rounds=12,
    )


def implied_vols(n: int) -> list[Result]:
    rng = np.random.default_rng(1)
    tau, s = 0.5, rng.uniform(0.05, 1.2, n)
    k, vol = 100.0 * np.exp(rng.uniform(-3.0, 3.0, n) * s), s / np.sqrt(0.5)
    c = k > 100.0
    price = black.price(100.0, k, tau, vol, c)
    letters = np.where(c, "C", "P")
    few = list(zip(price[:500].tolist(), k[:500].tolist(), c[:500].tolist(), strict=True))

    def ours():
        return implied_vol(price, 100.0, k, tau, c).sigma

    def vanilla():
        return vanilla_option_pricers.infer_bsm_ivols_from_model_slice_prices(
            tau, 100.0, k, letters, price, 1.0
        )

    def rational():
        return [by_rational(p, 100.0, x, tau, "c" if call else "p") for p, x, call in few]

    def quantlib():
        sides = (ql.Option.Put, ql.Option.Call)
        return [
            ql.blackFormulaImpliedStdDevLiRS(
                sides[call], x, 100.0, p, 1.0, 0.0, ql.nullDouble(), 1.0, 1e-10, 1000
            )
            / np.sqrt(tau)
            for p, x, call in few
        ]

    def error(call):
        got = np.asarray(call())
        return f"{np.max(np.abs(got - vol[: got.size])):.0e} vol"

    return race(
        [
            Contender("Periscope", ours, n, error(ours)),
            Contender("vanilla-option-pricers", vanilla, n, error(vanilla)),
            Contender("vollib (py_vollib), one call an option", rational, 500, error(rational)),
            Contender("QuantLib LiRS, one call an option", quantlib, 500, error(quantlib)),
        ],
        rounds=10,
    )


def _flat(rate: float) -> ql.YieldTermStructureHandle:
    today = ql.Settings.instance().evaluationDate
    return ql.YieldTermStructureHandle(ql.FlatForward(today, rate, ql.Actual365Fixed()))


def _options(strikes, days, exercise, right) -> list[ql.VanillaOption]:
    today = ql.Settings.instance().evaluationDate
    return [
        ql.VanillaOption(ql.PlainVanillaPayoff(right, float(k)), exercise(today, today + int(d)))
        for d in days
        for k in strikes
    ]


def american_puts() -> list[Result]:
    strikes, days = np.linspace(80.0, 120.0, 20), np.array([30, 91, 182, 365, 730])
    spot = ql.QuoteHandle(ql.SimpleQuote(100.0))
    today = ql.Settings.instance().evaluationDate
    vol = ql.BlackVolTermStructureHandle(
        ql.BlackConstantVol(today, ql.NullCalendar(), 0.25, ql.Actual365Fixed())
    )
    process = ql.BlackScholesMertonProcess(spot, _flat(0.02), _flat(0.05), vol)
    options = _options(strikes, days, ql.AmericanExercise, ql.Option.Put)

    def quantlib(engine):
        for option in options:
            option.setPricingEngine(engine)
        return np.array([option.NPV() for option in options])

    def ours():
        return american.price(100.0, strikes, days[:, None] / 365.0, 0.05, 0.02, 0.25, False).ravel()

    schemes = {
        name: ql.QdFpAmericanEngine(process, getattr(ql.QdFpAmericanEngine, f"{name}Scheme")())
        for name in ("fast", "accurate", "highPrecision")
    }
    exact = quantlib(schemes["highPrecision"])

    def error(got):
        return f"{np.max(np.abs(got - exact)) / 100.0:.0e} of spot"

    fast, accurate = schemes["fast"], schemes["accurate"]
    return race(
        [
            Contender("Periscope", ours, 100, error(ours())),
            Contender("QuantLib QdFp fast", lambda: quantlib(fast), 100, error(quantlib(fast))),
            Contender("QuantLib QdFp accurate", lambda: quantlib(accurate), 100, error(quantlib(accurate))),
        ],
        rounds=7,
    )


def report() -> str:
    ql.Settings.instance().evaluationDate = ql.Date(2, 1, 2025)
    features = llvmlite.binding.get_host_cpu_features()
    isa = next((name for name in ("avx512f", "avx2", "neon", "sse2") if features.get(name)), "baseline")
    packages = ", ".join(f"{name} {version(name)}" for name in PEERS)
    tables = [
        markdown(
            "Black-76 price + delta, gamma, vega, theta, rho; 100,000 options", black_and_greeks(100_000)
        ),
        markdown("The same, 10,000 options (in cache)", black_and_greeks(10_000)),
        markdown("The same, 1,000,000 options (memory-bound)", black_and_greeks(1_000_000)),
        markdown("Implied vol, 20,000 out-of-the-money options to 3 deviations", implied_vols(20_000)),
        markdown("American puts, 5 maturities x 20 strikes", american_puts()),
        *heston.tables(),
        markdown("SVI slice, 40 noisy quotes", fits.svi()),
        markdown("SABR smile, 15 noisy quotes, beta fixed", fits.sabr()),
        *smiles.tables(),
        *chains.tables(),
        *andreasen_huge.tables(),
    ]
    return (
        "# Benchmarks\n\n"
        "Written by `make bench`. Contenders take turns in one process on one thread, each one's best turn "
        "counts; `ratio` is a contender's time over the first row's. Only ratios carry over to other "
        "machines. Peers called option by option (as their Python interface has it) pay that call.\n\n"
        f"Machine: {llvmlite.binding.get_host_cpu_name()}, {isa}, {platform.system()}; "
        f"Python {platform.python_version()}; {packages}. py_vollib is now a name for vollib.\n\n"
        + "\n".join(tables)
    )


def main() -> None:
    text = report()
    (ROOT / "docs" / "benchmarks.md").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
