"""Par yields: their table, where it comes from, and the zero rates that reprice them."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_assets.pipeline.landing import Landed
from periscope_assets.settings import RateSettings
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.opening import open_rates
from periscope_assets.sources.rates import RateFile, Treasury, curve_for, parse_par_yields
from periscope_assets.sources.transport import Policy
from periscope_assets.store.lake import Lake
from periscope_assets.transforms import rates
from periscope_assets.transforms.stage import Snapshot
from tests.sources import replay_server as replay
from tests.sources import vendor_samples as samples
from tests.sources.stepped_clock import NOW, Stepped

TABLE = RawPayload("par_yields_2026.csv", samples.PAR_YIELDS)
TENORS = (1 / 12, 1.5 / 12, 2 / 12, 3 / 12, 4 / 12, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0)
TUESDAY = date(2026, 6, 2)


def test_the_treasurys_table_is_read_by_day_and_tenor():
    first, _, last = parse_par_yields(TABLE)
    assert (first.day, last.day) == (date(2026, 5, 29), TUESDAY)
    assert list(last.yields) == pytest.approx(TENORS, abs=1e-15)
    assert last.yields[10.0] == pytest.approx(0.0435, abs=1e-15)
    assert len(first.yields) == len(TENORS) - 1


def test_the_curve_of_a_session_is_the_latest_up_to_it():
    curves = parse_par_yields(TABLE)
    assert curve_for(TUESDAY, curves, "x").day == TUESDAY
    assert curve_for(date(2026, 5, 31), curves, "x").day == date(2026, 5, 29)
    with pytest.raises(
        SourceError, match=r"no par yields of 2026-06-10 or the week before, the latest is of"
    ):
        curve_for(date(2026, 6, 10), curves, "x")
    with pytest.raises(SourceError, match="the first is of 2026-05-29"):
        curve_for(date(2026, 5, 1), curves, "x")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"4.35", b"4.3S", "line 2, column 10 Yr: '4.3S'"),
        (b"06/02/2026", b"2026-06-02", "line 2, column Date"),
        (b"06/02/2026", b"06/31/2026", "line 2, column Date"),
        (b"06/01/2026", b"06/02/2026", "twice"),
        (b"Date,", b"Day,", "column Date is missing"),
        (b"4.32,,4.33,4.34,4.32,4.27,4.12,3.97,3.94,4.02,4.17,4.37,4.87,4.84", b"," * 13, "no yield at all"),
    ],
)
def test_bad_tables_are_one_clear_line(old, new, says):
    assert old in samples.PAR_YIELDS
    with pytest.raises(SourceError, match=says):
        parse_par_yields(RawPayload("t.csv", samples.PAR_YIELDS.replace(old, new, 1)))
    with pytest.raises(SourceError, match="no tenor"):
        parse_par_yields(RawPayload("t.csv", b"Date,x\n06/02/2026,1\n"))


def zero(nodes, years):
    return np.interp(years, [tenor for tenor, _ in nodes], [rate for _, rate in nodes])


def par_of(nodes, tenor):
    """The coupon at which a bond of a whole number of half years is worth 1, by the definition."""
    times = np.arange(1, round(2 * tenor) + 1) / 2
    discounts = np.exp(-zero(nodes, times) * times)
    return 2 * (1 - discounts[-1]) / discounts.sum()


@pytest.mark.parametrize("level", [-0.005, 0.0, 0.02, 0.0435, 0.15])
def test_a_flat_curve_of_bonds_has_one_rate_from_half_a_year_on(level):
    nodes = dict(rates.zero_curve(dict.fromkeys(TENORS, level)))
    flat = 2 * math.log1p(level / 2)
    assert [rate for tenor, rate in nodes.items() if tenor >= 0.5] == pytest.approx([flat] * 9, abs=1e-13)
    assert nodes[0.25] == pytest.approx(4 * math.log1p(level / 4), abs=1e-15)


@given(st.lists(st.floats(-0.01, 0.12), min_size=14, max_size=14), st.floats(0, 0.004))
def test_every_par_bond_is_repriced(levels, smooth):
    base = levels[0]
    yields = {tenor: base + smooth * (level - base) for tenor, level in zip(TENORS, levels, strict=True)}
    nodes = rates.zero_curve(yields)
    assert [tenor for tenor, _ in nodes] == list(TENORS)
    for tenor, wanted in yields.items():
        if tenor >= 1:
            assert par_of(nodes, tenor) == pytest.approx(wanted, abs=1e-12)
        else:
            assert 1 / math.exp(-dict(nodes)[tenor] * tenor) == pytest.approx(1 + wanted * tenor, abs=1e-14)


def test_a_real_shape_is_repriced():
    yields = parse_par_yields(TABLE)[-1].yields
    nodes = rates.zero_curve(yields)
    assert max(abs(par_of(nodes, tenor) - yields[tenor]) for tenor in TENORS if tenor >= 1) < 1e-13
    assert all(-0.01 < rate < 0.1 for _, rate in nodes)


@pytest.mark.parametrize("yields", [{}, {0.0: 0.04}, {1.0: math.nan}, {1.0: 2.0}, {-1.0: 0.04}])
def test_yields_that_make_no_sense_are_refused(yields):
    with pytest.raises(ValueError, match="par_yields"):
        rates.zero_curve(yields)


def test_yields_that_no_discounts_give_are_refused():
    with pytest.raises(ValueError, match="no zero rate reprices"):
        rates.zero_curve({29.5: 0.0, 30.0: 0.5})


def test_the_stage_prefers_par_yields_to_configured_rates():
    as_of = NOW
    flat = rates.compute(Snapshot("USD", as_of, {}, {"zero_rates": {1.0: 0.05}}))
    assert flat.frames["rates"]["zero_rate"].tolist() == [0.05]
    given_yields = {"zero_rates": {1.0: 0.05}, "par_yields": {0.5: 0.04, 1.0: 0.04}}
    made = rates.compute(Snapshot("USD", as_of, {}, given_yields))
    assert made.frames["rates"]["tenor_years"].tolist() == [0.5, 1.0]
    assert made.frames["rates"]["zero_rate"].tolist() == pytest.approx([2 * math.log(1.02)] * 2, abs=1e-14)
    assert isinstance(made.frames["rates"], pd.DataFrame)


def treasury(origin: str) -> Treasury:
    source = open_rates(
        RateSettings(kind="treasury", url=origin), Stepped().clock, lambda: 0.5, Policy(timeout_seconds=1)
    )
    assert isinstance(source, Treasury)
    return source


def test_the_treasury_is_asked_once_for_a_session_and_its_bytes_are_kept(tmp_path):
    lake = Lake(tmp_path.as_uri())
    with replay.serving(lambda handler: handler.send(samples.PAR_YIELDS)) as server:
        landed = Landed(lake, None, rate_source=treasury(server.origin))
        first, second = landed.par_yields(TUESDAY), landed.par_yields(TUESDAY)
    assert first == second
    assert lake.read_raw(first.sha256) == samples.PAR_YIELDS
    assert len(server.requests) == 1
    assert server.requests[0][0].startswith(
        "/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv/2026/all?"
    )
    (manifest,) = lake.manifests("USD", TUESDAY)
    assert (manifest.layout, manifest.origin, manifest.n_raw) == ("treasury_par_yields", "treasury", 14)


def test_the_first_days_of_a_year_are_found_in_the_table_of_the_last():
    december = samples.PAR_YIELDS.replace(b"06/02/2026", b"12/31/2025").replace(b"06/01/2026", b"12/30/2025")
    december = december.replace(b"05/29/2026", b"12/29/2025")

    def route(handler: replay.Handler) -> None:
        handler.send(december if "/2025/" in handler.path else samples.PAR_YIELDS)

    with replay.serving(route) as server:
        payload = treasury(server.origin).fetch(date(2026, 1, 2))
    assert curve_for(date(2026, 1, 2), parse_par_yields(payload), "x").day == date(2025, 12, 31)


def test_a_maintenance_page_is_no_curve(tmp_path):
    lake = Lake(tmp_path.as_uri())
    with replay.serving(lambda handler: handler.send(b"<html>Sorry</html>")) as server:
        landed = Landed(lake, None, rate_source=treasury(server.origin))
        with pytest.raises(SourceError, match="column Date is missing"):
            landed.par_yields(TUESDAY)
    assert lake.manifests("USD", TUESDAY) == []


def test_a_file_of_par_yields(tmp_path):
    path = tmp_path / "par.csv"
    path.write_bytes(samples.PAR_YIELDS)
    source = open_rates(RateSettings(kind="file", file=path))
    assert isinstance(source, RateFile)
    landed = Landed(Lake((tmp_path / "lake").as_uri()), None, rate_source=source)
    assert landed.par_yields(TUESDAY).yields[2.0] == pytest.approx(0.0395)
    assert open_rates(RateSettings()) is None
    assert Landed(Lake(tmp_path.as_uri()), None).par_yields(TUESDAY) is None
