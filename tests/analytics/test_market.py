"""OCC symbols, chains as columns, and the forward curve."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.market import ForwardCurve, OptionChain, parse_occ


def test_occ_symbol():
    contract = parse_occ("SPXW230914C01200000")
    assert (contract.root, contract.expiry, contract.is_call, contract.strike) == (
        "SPXW",
        date(2023, 9, 14),
        True,
        1200.0,
    )
    assert contract.listing.symbol == "SPX"
    assert contract.expiry_at == datetime(2023, 9, 14, 20, 0, tzinfo=UTC)
    assert parse_occ("SPX   230915P04500000").expiry_at == datetime(2023, 9, 15, 13, 30, tzinfo=UTC)


def test_occ_strike_is_parsed_exactly():
    assert parse_occ("F230915P00012345").strike == 12.345


def test_adjusted_root_is_flagged():
    contract = parse_occ("AAPL1 230915C00150000")
    assert contract.is_adjusted
    assert contract.root == "AAPL1"
    assert contract.listing.symbol == "AAPL"
    assert not parse_occ("AAPL230915C00150000").is_adjusted


@pytest.mark.parametrize(
    "symbol",
    ["", "SPX", "SPXW230914X01200000", "SPXW231314C01200000", "SPXW230914C00000000", "spxw230914C01200000",
     "SPXW230914C0120000", "ABCDEF1230914C01200000", "SPXW230230P01200000", "SPXW23091\u0664C01200000"],
)  # fmt: skip
def test_bad_symbols_are_named(symbol):
    with pytest.raises(ValueError, match="symbol") as failure:
        parse_occ(symbol)
    assert repr(symbol)[1:-1] in str(failure.value)


def _chain(**changed):
    columns = {
        "symbol": "SPX",
        "as_of": np.datetime64("2023-09-14T20:31"),
        "expiry_at": np.array(["2023-09-15T20:00", "2023-09-15T13:30", "2023-09-15T20:00"], "datetime64[m]"),
        "tau": np.array([0.002, 0.001, 0.002]),
        "strike": np.array([4500.0, 4500.0, 4500.0]),
        "is_call": np.array([True, True, False]),
        "bid": np.array([10.0, 9.0, np.nan]),
        "ask": np.array([11.0, 9.5, 12.0]),
    }
    return OptionChain(**(columns | changed))


def test_chain_keeps_am_and_pm_apart():
    am, pm = _chain().by_expiry()
    assert (len(am), len(pm)) == (1, 2)
    strike, call_bid, call_ask, put_bid, put_ask = pm.pairs()
    assert (strike[0], call_bid[0], call_ask[0], put_ask[0]) == (4500.0, 10.0, 11.0, 12.0)
    assert np.isnan(put_bid[0])
    with pytest.raises(ValueError, match="expiry_at"):
        _chain().pairs()


def test_chain_refuses_what_does_not_fit_and_changes():
    with pytest.raises(ValueError, match="strike"):
        _chain(strike=np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="tau"):
        _chain(tau=np.array([0.1, -0.1, 0.1]))
    with pytest.raises(ValueError, match="strike"):
        next(_chain(is_call=np.array([True, True, True])).take(np.array([0, 2])).by_expiry()).pairs()
    with pytest.raises(ValueError, match="read-only"):
        _chain().strike[0] = 1.0


@given(st.floats(0.0, 3.0))
def test_curve_of_constant_rates_is_exact_everywhere(tau):
    nodes = np.array([0.1, 0.5, 2.0])
    curve = ForwardCurve(nodes, 100.0 * np.exp(0.03 * nodes), np.exp(-0.05 * nodes))
    assert curve.forward_at(tau) == pytest.approx(100.0 * np.exp(0.03 * tau), rel=1e-13)
    assert curve.discount_at(tau) == pytest.approx(np.exp(-0.05 * tau), rel=1e-13)


def test_curve_edges():
    assert ForwardCurve([0.5], [100.0], [0.99]).forward_at([0.0, 9.0]).tolist() == [100.0, 100.0]
    for wrong in (
        ([], [], []),
        ([0.5, 0.5], [1, 1], [1, 1]),
        ([0.5], [np.nan], [1]),
        ([0.0], [1], [1]),
        ([1], [1, 2], [1]),
    ):
        with pytest.raises(ValueError, match=r"tau|forward|discount"):
            ForwardCurve(*wrong)
    with pytest.raises(ValueError, match="tau"):
        ForwardCurve([0.5], [100.0], [0.99]).discount_at(-1.0)
