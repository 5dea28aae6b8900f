"""Forwards from put-call parity: exact, noisy, outlying, absent and recorded quotes."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics import american, black
from periscope_analytics.american_forward import fit_american_forward
from periscope_analytics.daycount import year_fraction
from periscope_analytics.errors import Status
from periscope_analytics.forward import (
    Pairs,
    fit_forward,
    fit_forwards,
    fit_inverse_forward,
    free_discounts,
    two_sided,
    weighted_median,
)
from periscope_analytics.market import parse_occ

STRIKES = np.linspace(80.0, 125.0, 46)


def quotes(forward, discount, half_width=0.0, rng=None, strikes=STRIKES, vol=0.2, tau=0.5):
    """Strike and the four sides; each mid is off by a uniform draw within its half-width."""
    sides = [strikes]
    for is_call in (True, False):
        value = black.price(forward, strikes, tau, vol, is_call, discount)
        noise = 0.0 if rng is None else rng.uniform(-1.0, 1.0, len(strikes)) * half_width
        sides += [value + noise - half_width, value + noise + half_width]
    return sides


@given(st.floats(85.0, 120.0), st.floats(0.9, 1.02))
def test_exact_quotes_give_the_exact_forward_and_discount(forward, discount):
    q = quotes(forward, discount)
    for fit in (fit_forward(*q, discount=discount), fit_forward(*q)):
        assert fit.status is Status.OK
        assert fit.forward == pytest.approx(forward, rel=1e-9)
        assert fit.discount == pytest.approx(discount, rel=1e-9)
        assert fit.residual < 1e-9


def test_the_stated_error_is_honest():
    rng = np.random.default_rng(3)
    scores, freed = [], []
    for _ in range(200):
        q = quotes(101.0, 0.97, 0.05, rng)
        fit, free = fit_forward(*q, discount=0.97), fit_forward(*q)
        scores.append((fit.forward - 101.0) / fit.stderr)
        freed.append((free.discount - 0.97) / free.discount_stderr)
    for z in (scores, freed):
        assert 0.4 < np.std(z) < 1.3
        assert abs(np.mean(z)) < 0.3


def test_stale_and_wide_quotes_do_not_move_it():
    rng = np.random.default_rng(5)
    q = quotes(101.0, 0.97, 0.05, rng)
    stale = rng.choice(len(STRIKES), 9, replace=False)
    q[1][stale] += 3.0
    q[2][stale] += 3.0
    q[3][:8] -= 2.0
    q[4][:8] += 4.0
    fit = fit_forward(*q, discount=0.97)
    assert abs(fit.forward - 101.0) < 4.0 * fit.stderr
    assert fit.stderr < 0.1


def test_one_narrow_strike_does_not_make_the_others_outliers():
    """A strike that carries most of the weight has no dispersion of its own to measure the others by."""
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(100):
        q = quotes(101.0, 0.97, 0.10, rng)
        for i, exact in enumerate(quotes(101.0, 0.97, 0.0)[1:], start=1):
            q[i][20] = exact[20] + (0.01 if i in (2, 4) else -0.01)
        fit = fit_forward(*q, discount=0.97)
        errors.append(abs(fit.forward - 101.0) / fit.stderr)
        assert fit.stderr < 0.03
    assert np.max(errors) < 3.0


def test_absent_sides_are_left_out():
    q = quotes(101.0, 0.97, 0.01)
    q[1][::4] = 0.0
    q[4][1::4] = np.nan
    q[2][2::4] = q[1][2::4] - 1.0
    fit = fit_forward(*q, discount=0.97)
    assert fit.status is Status.OK
    assert fit.n_used <= 11
    assert fit.forward == pytest.approx(101.0, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "discount", "status"),
    [
        ({"n": 0}, 0.97, Status.TOO_FEW_STRIKES),
        ({"n": 2}, 0.97, Status.TOO_FEW_STRIKES),
        ({"n": 5}, None, Status.UNIDENTIFIED),
        ({"n": 46}, -1.0, Status.INVALID_VALUE),
        ({"n": 46}, np.nan, Status.INVALID_VALUE),
        ({"n": 46, "forward": 150.0}, 0.97, Status.OUT_OF_RANGE),
    ],
)
def test_each_status(change, discount, status):
    middle = len(STRIKES) // 2 - change["n"] // 2
    strikes = STRIKES[middle : middle + change["n"]]
    fit = fit_forward(*quotes(change.get("forward", 101.0), 0.97, 0.01, strikes=strikes), discount=discount)
    assert fit.status is status
    assert np.isfinite(fit.forward) == (status in (Status.OK, Status.UNIDENTIFIED))
    assert np.isnan(fit.discount) or status is Status.OK


def test_inverse_quotes():
    q = quotes(101.0, 1.0, 0.02, np.random.default_rng(1))
    coin = [q[0], *(side / 101.0 for side in q[1:])]
    fit = fit_inverse_forward(*coin)
    assert fit.status is Status.OK
    assert abs(fit.forward - 101.0) < 4.0 * fit.stderr
    assert fit.stderr < 0.02
    assert fit.discount == 1.0
    assert fit_inverse_forward(*(side[:2] for side in coin)).status is Status.TOO_FEW_STRIKES


@given(st.lists(st.tuples(*[st.floats()] * 5), max_size=12), st.one_of(st.none(), st.floats()))
def test_nothing_raises_and_ok_means_numbers(rows, discount):
    columns = np.array(rows, dtype=float).reshape(len(rows), 5).T
    for fit in (fit_forward(*columns, discount=discount), fit_inverse_forward(*columns)):
        if fit.status is Status.OK:
            assert np.all(np.isfinite([fit.forward, fit.discount, fit.stderr, fit.residual]))
            assert fit.forward > 0.0


def test_many_expiries_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng(8)
    columns = [quotes(f, 0.99, 0.05, rng) for f in (95.0, 101.0, 150.0, 108.0)]
    columns.insert(2, [column[:2] for column in columns[0]])
    pairs = [two_sided(*each) for each in columns]
    start = np.concatenate(([0], np.cumsum([len(each.strike) for each in pairs])))
    joined = Pairs(*(np.concatenate(column) for column in zip(*pairs, strict=True)))
    discount = np.array([0.99, 0.98, 0.99, 0.99, np.nan])
    fits = fit_forwards(start, joined, discount)
    expected = [Status.OK, Status.OK, Status.TOO_FEW_STRIKES, Status.OUT_OF_RANGE, Status.INVALID_VALUE]
    assert list(fits.status) == expected
    for i in (0, 1):
        one = fit_forward(*columns[i], discount=discount[i])
        assert (fits.forward[i], fits.stderr[i], fits.n_used[i]) == (one.forward, one.stderr, one.n_used)
    told, stderr = free_discounts(start, joined)
    assert told[0] == pytest.approx(0.99, abs=4.0 * stderr[0])
    assert np.isinf(stderr[2])


def test_wrong_columns_are_named():
    with pytest.raises(ValueError, match="put_ask"):
        fit_forward([1.0], [1.0], [1.0], [1.0], [1.0, 2.0])


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="this is the run without the compiler")
def test_kernels_pass_uncompiled():
    chosen = "exact_quotes or inverse or absent or each_status or at_once or weighted"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, __file__]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTEST_ADDOPTS": ""}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]


def test_weighted_median():
    assert weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])) == 2.0
    assert weighted_median(np.array([1.0, 2.0]), np.array([1.0, 1.0])) == 1.5
    assert weighted_median(np.array([1.0, 5.0]), np.array([1.0, 3.0])) == 5.0


def _cboe(folder, name):
    packed = (folder / f"cboe-spx-spy-xsp-20230914/{name}_quotedata.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode().splitlines()
    table = pd.read_csv(io.StringIO("\n".join(lines[3:])))
    halves = [
        pd.DataFrame({"symbol": table[side], "bid": table[f"Bid{s}"], "ask": table[f"Ask{s}"]})
        for side, s in (("Calls", ""), ("Puts", ".1"))
    ]
    rows = pd.concat(halves, ignore_index=True)
    contracts = [parse_occ(symbol) for symbol in rows["symbol"]]
    rows["strike"] = [c.strike for c in contracts]
    rows["is_call"] = [c.is_call for c in contracts]
    rows["expiry_at"] = np.array([c.expiry_at.replace(tzinfo=None) for c in contracts], "datetime64[m]")
    rows["tau"] = year_fraction(np.datetime64("2023-09-14T20:15"), rows["expiry_at"].to_numpy())
    return rows[rows["tau"] > 0]


def _fits(rows, rate):
    fits = {}
    for tau, group in rows.groupby("tau"):
        wide = group.pivot_table(index="strike", columns="is_call", values=["bid", "ask"])
        sides = [wide[side][call].to_numpy() for call in (True, False) for side in ("bid", "ask")]
        fits[tau] = tuple(fit_forward(wide.index, *sides, discount=d) for d in (np.exp(-rate * tau), None))
    return fits


@pytest.mark.data
def test_recorded_spx_and_xsp(recorded):
    spx, xsp = (_fits(_cboe(recorded, name), 0.056) for name in ("spx", "xsp"))
    to_a_year = [tau for tau in spx if tau <= 1.0]
    errors_bp = [1e4 * spx[tau][0].stderr / spx[tau][0].forward for tau in to_a_year]
    assert len(to_a_year) > 50
    assert max(errors_bp) <= 1.0
    shared = [tau for tau in spx if tau in xsp]
    gaps = np.abs([xsp[tau][0].forward - spx[tau][0].forward / 10.0 for tau in shared])
    assert len(shared) >= 40
    assert max(gaps) < 0.1
    assert np.median(gaps) < 0.01
    rates = [-np.log(f.discount) / t for t, (_, f) in spx.items() if f.discount_stderr < 5e-4 * t]
    assert len(rates) > 10
    assert all(0.053 < rate < 0.059 for rate in rates)


@pytest.mark.data
def test_recorded_coin_quotes(recorded):
    books = pd.read_parquet(recorded / "deribit-btc-2026q1" / "deribit_btc_daily_20260101_20260331.parquet")
    day = books[books["timestamp"] == books["timestamp"].iloc[0]]
    gaps = []
    for _, group in day.groupby("expiry_datetime"):
        wide = group.pivot_table(index="strike", columns="option_type", values=["bid_price", "ask_price"])
        calls, puts = sorted(wide["bid_price"].columns)
        sides = [wide[side][kind].to_numpy() for kind in (calls, puts) for side in ("bid_price", "ask_price")]
        fit = fit_inverse_forward(wide.index, *sides)
        assert fit.status is Status.OK
        gaps.append(1e4 * abs(fit.forward / group["underlying"].iloc[0] - 1.0))
        assert gaps[-1] < max(10.0, 4e4 * fit.stderr / fit.forward)
    assert np.median(gaps) < 5.0


@pytest.mark.parametrize(
    ("dividends", "q", "spot"),
    [
        (None, 0.01, 100.0),
        (([0.8, 0.8], [0.1, 0.35]), 0.0, None),
        (([0.8], [0.2]), 0.005, 100.0),
        (None, 0.0, None),
    ],
)
def test_american_quotes_give_the_forward_they_were_made_from(dividends, q, spot):
    strikes, tau, rate = np.arange(80.0, 121.0, 2.5), 0.5, 0.055
    sides = [strikes]
    for is_call in (True, False):
        value = american.price(100.0, strikes, tau, rate, q, 0.25, is_call, dividends)
        sides += [value - 0.02, value + 0.02]
    truth = (100.0 - float(american.escrowed(tau, rate, dividends))) * np.exp((rate - q) * tau)
    fit = fit_american_forward(*sides, tau, rate, spot, dividends)
    assert fit.status is Status.OK
    assert fit.forward == pytest.approx(truth, abs=1e-4)
    assert fit.discount == pytest.approx(np.exp(-rate * tau))
    assert abs(fit_forward(*sides, discount=fit.discount).forward - truth) > 0.2


def test_american_forward_statuses():
    q = quotes(101.0, 0.97, 0.01)
    assert fit_american_forward(*(c[:2] for c in q), 0.5, 0.05, 100.0).status is Status.TOO_FEW_STRIKES
    for tau, rate, spot in ((0.0, 0.05, 100.0), (np.nan, 0.05, None), (0.5, np.inf, None), (0.5, 0.05, -1.0)):
        assert fit_american_forward(*q, tau, rate, spot).status is Status.INVALID_VALUE
    with pytest.raises(ValueError, match="tau"):
        fit_american_forward(*q, -1.0, 0.05, None)
    with pytest.raises(ValueError, match="dividends"):
        fit_american_forward(*q, 0.5, 0.05, None, ([1.0],))


@pytest.mark.data
def test_recorded_spy_implies_one_spot(recorded):
    """Forwards of SPY, which goes ex the next morning, less their carry agree on the spot."""
    ex_dates = ("2023-09-14T20:16", "2023-12-14T21:00", "2024-03-14T20:00")
    times = [float(year_fraction(np.datetime64("2023-09-14T20:15"), np.datetime64(day))) for day in ex_dates]
    dividends = ([1.583, 1.906, 1.595], times)
    rows = _cboe(recorded, "spy")
    spots = []
    for tau, group in rows[(rows["tau"] > 0.01) & (rows["tau"] < 0.26)].groupby("tau"):
        wide = group.pivot_table(index="strike", columns="is_call", values=["bid", "ask"])
        sides = [wide[side][call].to_numpy() for call in (True, False) for side in ("bid", "ask")]
        fit = fit_american_forward(wide.index, *sides, tau, 0.056, None, dividends)
        assert fit.status is Status.OK
        spots.append(fit.forward * fit.discount + float(american.escrowed(tau, 0.056, dividends)))
    assert len(spots) > 12
    assert np.max(np.abs(np.array(spots) / np.median(spots) - 1.0)) < 6e-4
