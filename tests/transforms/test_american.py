"""What American chains need: deadlines of dividends, reach of a schedule, implied spot, vols given carry."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from periscope_analytics import american as pricing
from periscope_analytics.errors import Status
from periscope_assets.transforms.american import Forwards, american_vols, implied_spot, read_dividends

CLOSE = datetime(2023, 9, 14, 20, 31, tzinfo=UTC)
SPY = {"dividends": [("2023-06-16", 1.638), ("2023-09-15", 1.583), ("2023-12-15", 1.906)]}
DAY = 1.0 / 365.0


def test_a_dividend_counts_until_its_ex_date():
    """After the last close before the ex-date nobody can exercise, but the quotes are those of the close."""
    after_close = read_dividends(SPY, CLOSE)
    assert list(after_close.amounts) == [1.583, 1.906]
    assert after_close.times[0] == pytest.approx(1.0 / (365 * 1440))
    ex_date = read_dividends(SPY, datetime(2023, 9, 15, 13, 30, tzinfo=UTC))
    assert list(ex_date.amounts) == [1.906]
    before = read_dividends(SPY, datetime(2023, 9, 13, 20, 0, tzinfo=UTC))
    assert before.times[0] == pytest.approx(DAY)


def test_a_monday_ex_date_has_its_deadline_on_friday():
    monday = read_dividends({"dividends": [("2023-09-18", 1.0)]}, datetime(2023, 9, 14, 20, 0, tzinfo=UTC))
    assert monday.times[0] == pytest.approx(DAY)


def test_a_schedule_reaches_to_where_the_next_dividend_would_be():
    known = read_dividends(SPY, CLOSE)
    assert known.reach * 365.0 == pytest.approx(182.0, abs=1.0)
    assert known.known_by(np.array([0.1, 0.45, 0.6])) == ["schedule", "schedule", "extended"]
    unknown = read_dividends({"dividends": []}, CLOSE)
    assert unknown.known_by(np.array([0.1])) == ["implied_yield"]
    assert read_dividends({}, CLOSE).reach == 0.0


def test_spot_is_that_of_the_near_forwards():
    tau = np.array([0.01, 0.03, 0.5])
    discount = np.exp(-0.05 * tau)
    forward = 100.0 / discount * np.array([1.0, 1.0001, 1.2])
    known = Forwards(forward, np.array([0.01, 0.02, 1e-4]), discount, tau)
    assert implied_spot(known, read_dividends({}, CLOSE)) == pytest.approx(100.0, abs=0.02)
    assert np.isnan(implied_spot(Forwards(*np.full((4, 2), np.nan)), read_dividends({}, CLOSE)))


@pytest.mark.parametrize("settings", [SPY, {}])
def test_vols_are_those_the_quotes_were_made_with(settings):
    """Expiries within the schedule are paid cash, the later one a yield for what the schedule leaves open."""
    dividends, rate, q, spot = read_dividends(settings, CLOSE), 0.055, 0.013, 450.0
    tau = np.repeat([0.02, 0.3, 1.5], 4)
    strike, is_call = np.tile([420.0, 440.0, 450.0, 470.0], 3), np.tile([False, False, True, True], 3)
    owed = np.where(dividends.covers(tau), 0.0, q)
    price = pricing.price(spot, strike, tau, rate, owed, 0.18, is_call, dividends.pair)
    paid = pricing.escrowed(tau, rate, dividends.pair)
    forward, discount = (spot - paid) * np.exp((rate - owed) * tau), np.exp(-rate * tau)
    known = Forwards(forward, forward, discount, tau)
    none = np.full(12, np.nan)
    found, absent = american_vols((price, none), known, strike, is_call, spot, dividends)
    assert np.all(found.status == Status.OK)
    assert found.sigma == pytest.approx(0.18, abs=1e-6)
    assert np.all(absent.status == Status.INVALID_VALUE)
