"""Event-aware time in the flow: off by default, told where a calendar names events, read back by readers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from app.queries.nodes import heat
from periscope_analytics.daycount import year_fraction
from periscope_assets.pipeline.event_time import DaysAhead
from periscope_assets.settings import Settings
from periscope_assets.sources.base import SourceError
from periscope_assets.store.lake import Lake
from periscope_assets.transforms.models import bands
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


def with_calendar(chain, setting, name="vol_surface", without=None):
    """A stage's result with a calendar, from a chain `without` the bids of one expiry."""
    inputs = {key: chain.result(key).frames for key in ("implied_vols", "forward_curve")}
    vols = inputs["implied_vols"]["implied_vols"]
    vols = vols.assign(bid_iv=vols["bid_iv"].where(vols["expiry_at"] != without))
    inputs["implied_vols"] = {"implied_vols": vols}
    made = slices.compute(Snapshot(chain.symbol, chain.as_of, inputs, {"event_time": setting}))
    surface = conformed(made)
    return surface if name == "vol_surface" else read_off(chain, surface.frames, name)


def read_off(chain, surface, name):
    """What a stage reads off a surface."""
    read = {"vol_surface": surface, "option_quotes": chain.result("option_quotes").frames}
    if name == "model_bands":
        read |= {key: chain.result(key).frames for key in ("surface_grid", "heston_fit")}
    stage = {"surface_grid": grid.STAGE, "skew_metrics": skew.STAGE, "model_bands": bands.STAGE}[name]
    return conformed(stage.compute(Snapshot(chain.symbol, chain.as_of, read)))


@pytest.mark.parametrize("name", ["surface_grid", "skew_metrics", "model_bands"])
def test_no_event_and_equal_days_change_no_bit(chain, name):
    told = with_calendar(chain, {"events": [], **CLOSED}, name).frames
    for table, frame in chain.result(name).frames.items():
        kept = frame.columns.drop("quiet_iv", errors="ignore")
        pd.testing.assert_frame_equal(told[table][kept], frame[kept], check_exact=True)


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


@pytest.fixture(scope="module")
def jumping(chain, between):
    """Rows that tell of an event between two expiries, their times with the event's between them."""
    after, day = between
    rows = fitted_rows(chain.frame("vol_surface"))
    t0, t1 = rows["tau_years"].iloc[after - 1 : after + 1]
    at = float(year_fraction(chain.as_of, pd.Timestamp(f"{day} 16:00", tz="UTC").to_pydatetime()))
    told = {"tau": [t0, at, at, t1], "share": [0.0, 0.1, 0.7, 1.0]}
    rows["time_shares"] = [told if i == after else None for i in range(len(rows))]
    return rows, (t0, at, t1)


def test_maturities_before_an_event_have_none_of_its_variance(jumping):
    """The share of an interval that has come jumps at the event, and readers follow it."""
    rows, (t0, at, t1) = jumping
    surface = grid.Surface(rows)
    w = [surface.tenor(tau).params.atm_total_variance for tau in (t0, at - 1e-6, at, t1)]
    share = (np.array(w) - w[0]) / (w[-1] - w[0])
    assert share == pytest.approx([0.0, 0.1, 0.7, 1.0], abs=1e-3)
    assert surface.tenor(at).params.tau == at


def test_errors_of_maturities_around_an_event_are_weighed_as_their_vols_are(chain, jumping):
    rows, (t0, at, t1) = jumping
    told, calendar = (grid.Surface(each).errors for each in (rows, chain.frame("vol_surface")))
    for tau, share in ((at - 1e-9, 0.1), (at, 0.7)):
        even = t0 + share * (t1 - t0)
        expected = calendar.stderr([-1.0, 0.0, 0.5], even) * np.sqrt(even / tau)
        assert told.stderr([-1.0, 0.0, 0.5], tau) == pytest.approx(expected, rel=1e-6)


def test_local_vol_before_an_expiry_is_without_the_event_before_it(chain, between, jumping):
    rows, (t0, at, t1) = jumping
    told, calendar = (heat(each, "delta", of="local_vol") for each in (rows, chain.frame("vol_surface")))
    moved = told["expiry_at"] == rows["expiry_at"].iloc[between[0]]
    factor = np.where(moved, np.sqrt(0.3 * (t1 - t0) / (t1 - at)), 1.0)
    np.testing.assert_allclose(told["local_vol"], factor * calendar["local_vol"], rtol=1e-9)


def test_all_surfaces_of_the_bands_jump_at_an_event(chain, jumping):
    rows, (t0, at, t1) = jumping
    curves = chain.result("vol_surface").frames["svi_slices"]
    nodes = chain.frame("surface_grid")
    nodes = nodes[(nodes["tenor_days"] == 30.0) & (nodes["axis"] == "delta")]

    def variances(slices, tau):
        moved = {"surface_grid": {"surface_nodes": nodes.assign(tau_years=tau)},
                 "vol_surface": {"surface_slices": slices, "svi_slices": curves},
                 "heston_fit": chain.result("heston_fit").frames}  # fmt: skip
        found = bands.compute(Snapshot(chain.symbol, chain.as_of, moved)).frames["model_nodes"]
        return tau * found[["svi_iv", "essvi_iv"]].to_numpy() ** 2

    for tau, share in ((at - 1e-9, 0.1), (at, 0.7), (t1, 1.0)):
        even = variances(chain.frame("vol_surface"), t0 + share * (t1 - t0))
        assert np.isfinite(even).all()
        np.testing.assert_allclose(variances(rows, tau), even, rtol=1e-6)


def test_variance_of_the_quotes_jumps_at_an_event(chain, jumping):
    """Up to a month a tenth of its interval's variance has come, most of it comes with the expiry."""
    rows, tau = jumping[0], 30.0 / 365.0
    after = int(np.searchsorted(rows["tau_years"], tau))
    t0, t1 = rows["tau_years"].iloc[after - 1 : after + 1]
    assert t0 < tau < t1
    told = {"tau": [t0, tau, t1, t1], "share": [0.0, 0.1, 0.2, 1.0]}
    rows = rows.assign(time_shares=[told if i == after else None for i in range(len(rows))])
    metrics = read_off(chain, {"surface_slices": rows}, "skew_metrics").frames["skew_metrics"]
    by_expiry = metrics[metrics["basis"] == "expiry"]
    near, far = (by_expiry["model_free_iv"] ** 2 * by_expiry["tenor_days"] / 365.0).iloc[
        after - 1 : after + 1
    ]
    month = metrics[(metrics["basis"] != "expiry") & (metrics["tenor_days"] == 30.0)].iloc[0]
    assert month["model_free_iv"] ** 2 * tau == pytest.approx(0.9 * near + 0.1 * far, rel=1e-9)


def test_an_expiry_without_quotes_lies_where_the_clock_is(chain):
    """Both its vols and those of its contracts are what readers of the surface find at its time."""
    plain = chain.frame("vol_surface")
    row = int(np.flatnonzero(plain["expiry_at"].dt.dayofweek == 0)[1])
    setting = {"events": [], "closed_weight": 0.1, "closed_days": []}
    without = plain["expiry_at"].iloc[row]
    frames = with_calendar(chain, setting, without=without).frames
    told = frames["surface_slices"].iloc[row]
    assert told["status"] == "interpolated"
    here = grid.Surface(frames["surface_slices"])
    tenor = here.tenor(told["tau_years"])
    assert told["atm_iv"] == pytest.approx(float(tenor.params.iv(0.0)), rel=1e-12)
    assert told["atm_iv_stderr"] == pytest.approx(here.errors.stderr([0.0], told["tau_years"])[0], rel=1e-12)
    quotes = frames["surface_quotes"]
    quotes = quotes[quotes["expiry_at"] == without]
    np.testing.assert_allclose(quotes["surface_iv"], tenor.params.iv(quotes["log_moneyness"]), rtol=1e-12)
    even = with_calendar(chain, {}, without=without).frames["surface_slices"].iloc[row]
    assert abs(told["atm_iv"] / even["atm_iv"] - 1.0) > 0.005


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
