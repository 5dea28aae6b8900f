"""Event-aware time in the flow: off by default, told where a calendar names events, read back by readers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from periscope_analytics.daycount import year_fraction
from periscope_assets.pipeline.event_time import DaysAhead
from periscope_assets.settings import Settings
from periscope_assets.sources.base import SourceError
from periscope_assets.store.lake import Lake
from periscope_assets.transforms.signals.generators import Market, term_structure
from periscope_assets.transforms.stage import Snapshot
from periscope_assets.transforms.surfaces import event_time, grid, skew, slices
from periscope_assets.transforms.surfaces.served import fitted_rows
from tests.transforms.simulated_chain import conformed, simulated

CLOSED = {"closed_weight": 1.0, "closed_days": []}
NAME = "FOMC"


@pytest.fixture(scope="module")
def chain():
    return simulated("SIMX")[0]


def with_calendar(chain, setting, name="vol_surface"):
    inputs = {key: chain.result(key).frames for key in ("implied_vols", "forward_curve")}
    made = slices.compute(Snapshot(chain.symbol, chain.as_of, inputs, {"event_time": setting}))
    surface = conformed(made)
    if name == "vol_surface":
        return surface
    stage = {"surface_grid": grid.STAGE, "skew_metrics": skew.STAGE}[name]
    read = {"vol_surface": surface.frames, "option_quotes": chain.result("option_quotes").frames}
    return conformed(stage.compute(Snapshot(chain.symbol, chain.as_of, read)))


@pytest.fixture(scope="module")
def between(chain):
    """Two expiries a week or more apart, of about a month, and a day between them."""
    rows = fitted_rows(chain.frame("vol_surface"))
    gaps = rows["expiry_at"].diff().dt.days
    after = int(np.flatnonzero((gaps >= 5) & (rows["tau_years"] > 20 / 365))[0])
    day = (rows["expiry_at"].iloc[after - 1] + pd.Timedelta(days=2)).date()
    return after, day.isoformat()


def test_nothing_is_said_of_events_without_a_calendar(chain):
    for frame, names in (
        (chain.frame("vol_surface"), event_time.COLUMNS),
        (chain.result("skew_metrics").frames["skew_metrics"], ("quiet_iv", *event_time.EVENTS)),
    ):
        assert frame[list(names)].isna().all(axis=None)


def test_an_event_that_the_market_does_not_price_is_unidentified_and_moves_nothing(chain, between):
    after, day = between
    setting = {"events": [(day, NAME)], **CLOSED}
    rows = fitted_rows(with_calendar(chain, setting).frames["surface_slices"])
    told = rows.iloc[after]
    assert told["event"] == f"{day} {NAME}"
    assert abs(told["event_variance"]) < 3.0 * told["event_variance_stderr"]
    assert rows["event"].notna().sum() == 1
    assert rows["clock_years"].to_numpy() == pytest.approx(rows["tau_years"].to_numpy())
    nodes = with_calendar(chain, setting, "surface_grid").frames["surface_nodes"]
    if told["event_status"] == "unidentified":
        same = chain.frame("surface_grid")
        assert nodes["iv"].to_numpy() == pytest.approx(same["iv"].to_numpy(), abs=1e-9, nan_ok=True)


@pytest.fixture(scope="module")
def moved(chain, between):
    """The chain's rows with the variance of an event of 3 percent added from the second expiry on."""
    after, day = between
    rows = chain.frame("vol_surface").sort_values("expiry_at", ignore_index=True)
    fitted = fitted_rows(rows)
    held = rows["tau_years"] >= fitted["tau_years"].iloc[after]
    extra = np.where(held, 0.03**2, 0.0)
    rows = rows.assign(atm_iv=np.sqrt(rows["atm_iv"] ** 2 + extra / rows["tau_years"]))
    setting = {"events": [(day, NAME)], **CLOSED}
    calendar = event_time.calendar_of(setting, chain.as_of)
    columns = event_time.columns(rows["tau_years"].to_numpy(), rows, calendar)
    return rows.assign(**columns)


def test_the_variance_of_an_event_is_implied_by_the_expiries_around_it(moved, between):
    told = fitted_rows(moved).iloc[between[0]]
    assert told["event_status"] == "ok"
    assert told["event_variance"] == pytest.approx(0.03**2, abs=3.0 * told["event_variance_stderr"])
    assert told["event_variance_stderr"] < 0.25 * 0.03**2
    assert told["event_at"].strftime("%H:%M") in ("16:00", "17:00")


def test_vols_without_the_event_are_smooth(chain, moved, between):
    before = fitted_rows(chain.frame("vol_surface"))["atm_iv"].to_numpy()
    quiet = event_time.quiet_vols(fitted_rows(moved))
    assert quiet == pytest.approx(before, rel=0.03)
    assert fitted_rows(moved)["atm_iv"].iloc[between[0]] > 1.03 * before[between[0]]


def test_maturities_before_an_event_have_none_of_its_variance(chain, between):
    """The share of an interval that has come jumps at the event, and readers follow it."""
    after, day = between
    rows = fitted_rows(chain.frame("vol_surface"))
    t0, t1 = rows["tau_years"].iloc[after - 1 : after + 1]
    at = float(year_fraction(chain.as_of, pd.Timestamp(f"{day} 16:00", tz="UTC").to_pydatetime()))
    told = {"tau": [t0, at, at, t1], "share": [0.0, 0.1, 0.7, 1.0]}
    rows["time_shares"] = [told if i == after else None for i in range(len(rows))]
    surface = grid.Surface(rows)
    w = [surface.tenor(tau).params.atm_total_variance for tau in (t0, at - 1e-6, at, t1)]
    share = (np.array(w) - w[0]) / (w[-1] - w[0])
    assert share == pytest.approx([0.0, 0.1, 0.7, 1.0], abs=1e-3)
    assert surface.tenor(at).params.tau == at


def test_a_forward_vol_that_an_event_explains_is_no_dislocation(chain):
    metrics = chain.result("skew_metrics").frames["skew_metrics"]
    as_of = pd.Timestamp(chain.as_of)
    fixed = metrics["basis"] == "constant_maturity"
    days = metrics.loc[fixed, "tenor_days"].to_numpy()
    hit = metrics.index[fixed][(days > 30)][0]
    span = (metrics["tenor_days"][hit] - 30.0) / 365.0
    metrics = metrics.copy()
    metrics.loc[hit, "forward_iv"] = np.sqrt(metrics["forward_iv"][hit] ** 2 + 0.05**2 / span)
    market = Market(0.001, 100.0)
    assert len(term_structure(metrics, market, as_of)["instrument"]) > 0
    row = metrics.index[~fixed][5]
    metrics.loc[row, "event_at"] = as_of + pd.Timedelta(days=40)
    metrics.loc[row, "event_variance"], metrics.loc[row, "event_status"] = 0.05**2, "ok"
    found = term_structure(metrics, market, as_of)
    assert f"FWD 30d-{metrics['tenor_days'][hit]:.0f}d" not in found["instrument"].tolist()


class TestFile:
    """The calendar file becomes the setting of a snapshot."""

    def ahead(self, tmp_path, text, weight="1.0"):
        path = tmp_path / "events.csv"
        path.write_text(text)
        source = {"events": path, "closed_weight": float(weight)}
        return DaysAhead(Settings(home=tmp_path, source=source), Lake((tmp_path / "lake").as_uri()))

    def test_events_ahead_of_the_symbol_and_of_all(self, tmp_path, chain):
        text = (
            "date,symbol,name\n2026-03-18,*,FOMC\n2026-04-29,*,FOMC\n"
            "2026-04-30,ACME,earnings\n2026-05-07,,payrolls\n2031-01-01,*,far\n"
        )
        found = self.ahead(tmp_path, text).of("SIMX", chain.as_of)
        assert found["events"] == [("2026-04-29", "FOMC"), ("2026-05-07", "payrolls")]
        assert (found["closed_weight"], found["closed_days"]) == (1.0, [])
        assert list((tmp_path / "lake").rglob("*")) != []

    def test_holidays_of_the_symbols_calendar(self, tmp_path, chain):
        found = self.ahead(tmp_path, "date,symbol,name\n2026-04-29,*,FOMC\n", "0.2").of("SIMX", chain.as_of)
        assert "2026-04-03" in found["closed_days"]
        assert (
            self.ahead(tmp_path, "date,symbol,name\n2026-04-29,*,FOMC\n", "0.2").of("SIMBTC", chain.as_of)[
                "closed_days"
            ]
            == []
        )

    def test_none_is_empty(self, tmp_path, chain):
        lake = Lake((tmp_path / "lake").as_uri())
        assert DaysAhead(Settings(home=tmp_path), lake).of("SIMX", chain.as_of) == {}
        assert event_time.calendar_of({}, chain.as_of) is None

    def test_a_line_that_is_no_date_is_told(self, tmp_path, chain):
        with pytest.raises(SourceError, match="date"):
            self.ahead(tmp_path, "date,symbol,name\nsoon,*,FOMC\n").of("SIMX", chain.as_of)
