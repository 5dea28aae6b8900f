"""The served surface on recorded chains: share of quotes inside their bid and ask, certificates, densities.

Shares are weighted by vega. Their denominator is every unexpired out-of-the-money quote with 0 < bid < ask.
"""

from __future__ import annotations

import gzip
import io
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from periscope_analytics import black
from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration.served import SliceQuotes, fit_surface
from periscope_analytics.daycount import year_fraction
from periscope_analytics.forward import fit_forward
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.market import parse_occ
from periscope_analytics.slice import geometry

pytestmark = pytest.mark.data

RATE = 0.055
"""Flat, between the policy rate and the box rate of that day; 30 bps either way move no figure here."""


class Expiry(NamedTuple):
    quotes: SliceQuotes
    vega: np.ndarray


def expiry(tau, forward, discount, strike, bids, asks):
    """Out-of-the-money quotes of one expiry, `bids` and `asks` of (call, put)."""
    call = strike >= forward
    bid, ask = np.where(call, bids[0], bids[1]), np.where(call, asks[0], asks[1])
    used = (bid > 0.0) & (ask > bid)
    k, bid, ask = np.log(strike / forward)[used], bid[used], ask[used]
    unit = forward * discount
    mid = implied_vol(0.5 * (bid + ask) / unit, 1.0, np.exp(k), tau, k >= 0.0)
    vega = black.greeks(1.0, np.exp(k), tau, mid.sigma, k >= 0.0).vega
    return Expiry(SliceQuotes(tau, k, bid / unit, ask / unit), np.nan_to_num(vega))


def index_chain(folder, name):
    packed = (folder / f"cboe-spx-spy-xsp-20230914/{name}_quotedata.csv.gz").read_bytes()
    table = pd.read_csv(io.StringIO("\n".join(gzip.decompress(packed).decode().splitlines()[3:])))
    table["contract"] = [parse_occ(symbol) for symbol in table["Calls"]]
    table["expiry_at"] = [contract.expiry_at.replace(tzinfo=None) for contract in table["contract"]]
    chain = []
    for expiry_at, rows in table.groupby("expiry_at"):
        tau = float(year_fraction(np.datetime64("2023-09-14T20:15"), np.datetime64(expiry_at)))
        rows = rows.sort_values("Strike")
        strike, sides = (
            rows["Strike"].to_numpy(float),
            [rows[c].to_numpy(float) for c in ("Bid", "Ask", "Bid.1", "Ask.1")],
        )
        if tau > 0.0:
            discount = np.exp(-RATE * tau)
            fit = fit_forward(strike, *sides, discount=discount)
            chain.append(expiry(tau, fit.forward, discount, strike, sides[::2], sides[1::2]))
    return [each for each in chain if each.quotes.k.size]


def coin_chains(folder):
    table = pd.read_parquet(folder / "deribit-btc-2026q1/deribit_btc_daily_20260101_20260331.parquet")
    for column in ("timestamp", "expiry_datetime"):
        table[column] = pd.to_datetime(table[column], utc=True).dt.tz_localize(None)
    table = table[table["expiry_datetime"] > table["timestamp"]]
    for _, day in table.groupby("timestamp"):
        chain = []
        for (now, then), rows in day.groupby(["timestamp", "expiry_datetime"]):
            sides = rows.pivot_table(
                index="strike", columns="option_type", values=["bid_price", "ask_price"]
            ).fillna(0.0)
            forward, tau = float(rows["underlying"].iloc[0]), (then - now) / pd.Timedelta(days=365)
            bids, asks = (
                [forward * sides[s][t].to_numpy() for t in ("call", "put")]
                for s in ("bid_price", "ask_price")
            )
            chain.append(expiry(tau, forward, 1.0, sides.index.to_numpy(float), bids, asks))
        yield sorted((each for each in chain if each.quotes.k.size), key=lambda each: each.quotes.tau)


def shares(chain, fit):
    """Share inside of the whole chain, and of its worst expiry of ten quotes or more."""
    inside = [np.abs(each.residuals) <= 1.0 for each in fit.slices]
    weights = [each.vega for each in chain]
    by_expiry = [w @ i / w.sum() for w, i in zip(weights, inside, strict=True) if w.size >= 10]
    return float(np.concatenate(weights) @ np.concatenate(inside) / np.concatenate(weights).sum()), min(
        by_expiry, default=1.0
    )


def check_laws(surface):
    for each in surface.slices:
        assert each.law.mass.min() >= 0.0
        assert each.law.mass[1:-1].sum() == pytest.approx(1.0, abs=1e-6)
        assert each.law.mass @ geometry(each.grid).grid[0] == pytest.approx(1.0, abs=1e-12)


def check_order(surface, chain):
    """Butterflies and calendars on 2,000 log-moneynesses x 200 maturities, interpolated ones among them."""
    k = np.linspace(
        1.2 * min(e.quotes.k.min() for e in chain), 1.2 * max(e.quotes.k.max() for e in chain), 2000
    )
    taus = [each.tau for each in surface.slices]
    times = np.union1d(taus, np.geomspace(0.3 * taus[0], 1.3 * taus[-1], 200 - len(taus)))
    variance, least = np.zeros(k.size), np.inf
    for tau in times:
        after = surface.total_variance(k, tau)
        assert np.all(after >= variance * (1.0 - 1e-13))
        variance, least = after, min(least, surface.g(k, tau).min())
    assert least >= 0.0


@pytest.fixture(scope="module", params=["spx", "xsp"])
def index(request, recorded):
    return index_chain(recorded, request.param)


@pytest.fixture(scope="module")
def served(index):
    return fit_surface([each.quotes for each in index])


def test_index_quotes_lie_inside_their_spread(index, served):
    whole, worst = shares(index, served)
    assert whole >= 0.995
    assert worst >= 0.95


def test_index_surfaces_are_free_of_arbitrage(index, served):
    check_order(served.params, index)
    check_laws(served.params)
    assert certify(served.params).is_free
    assert max(each.second_mode for each in served.slices) < 0.01


def test_half_of_the_strikes_place_the_other_half(index):
    inside, total = 0.0, 0.0
    chain = [each for each in index if each.quotes.k.size >= 6]
    for kept in (0, 1):
        part = [
            each.quotes._replace(
                **{n: getattr(each.quotes, n)[kept::2] for n in ("k", "price_bid", "price_ask")}
            )
            for each in chain
        ]
        surface = fit_surface(part).params
        for each in chain:
            k, bid, ask = (column[1 - kept :: 2] for column in each.quotes[1:])
            price, vega = surface.slice_at(each.quotes.tau).otm_price(k), each.vega[1 - kept :: 2]
            inside += vega @ ((price >= bid) & (price <= ask))
            total += vega.sum()
    assert inside / total >= 0.99


@pytest.mark.slow
def test_coin_quotes_lie_inside_their_spread_without_arbitrage(recorded):
    whole, worst, bumps = [], [], []
    for day, chain in enumerate(coin_chains(recorded)):
        fit = fit_surface([each.quotes for each in chain])
        of_day, of_expiry = shares(chain, fit)
        whole.append(of_day)
        worst.append(of_expiry)
        bumps.append(max(each.second_mode for each in fit.slices if each.params))
        check_laws(fit.params)
        assert certify(fit.params).is_free
        if day % 15 == 0:
            check_order(fit.params, chain)
    assert len(whole) == 90
    assert np.mean(whole) >= 0.995
    assert min(whole) >= 0.97
    assert min(worst) >= 0.95
    assert max(bumps) < 0.01
