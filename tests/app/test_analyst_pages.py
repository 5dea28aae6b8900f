"""What an analyst reads on the pages of vols and models: the published numbers, as they are and were."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import cycle, islice, product

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import cache
from app.components.clock import stamp
from app.queries import Queries
from app.queries.caching import CachedReader
from app.queries.nodes import beside_model, density, difference, heat
from app.queries.sessions import behind
from app.queries.times import rfc3339
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.transforms.surfaces.served import served_of
from tests.app import simulated_desk as desk
from tests.app.drawn import drawn
from tests.conftest import emptied

NIGHTLY = os.environ.get("PERISCOPE_NIGHTLY") == "1"
PERMALINKS = 50 if NIGHTLY else 5
EXPIRIES = ("2026-04-17T13:30:00Z", "2026-06-18T13:30:00Z")


@pytest.fixture(scope="module")
def store(pg_server):
    pg_server.ensure_database("analyst")
    made = PostgresStore(emptied(pg_server.url("analyst")))
    for session in desk.SESSIONS:
        desk.publish(made, session)
    yield made
    made.close()


@pytest.fixture(scope="module")
def queries(store):
    reader = CachedReader(store)
    return Queries(reader, remember=reader.remember)


@pytest.fixture(autouse=True)
def _opened(store, monkeypatch):
    monkeypatch.setattr(cache, "open_store", lambda _: store)


def _render(page: str) -> None:
    from importlib import import_module

    import_module(f"app.views.{page}.view").render()


def run(page: str, **query: str) -> AppTest:
    test = AppTest.from_function(_render, default_timeout=120, kwargs={"page": page})
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    assert not test.error
    return test


def opened(page: str, name: str, **query: str) -> list:
    """The tables of a page with one of its closed panels open."""
    test = AppTest.from_function(_render, default_timeout=120, kwargs={"page": page})
    for key, value in query.items():
        test.query_params[key] = value
    test.session_state[f"numbers_{name}"] = True
    test.run()
    assert not test.exception
    return [each.value for each in test.dataframe]


def having(tables: list, column: str):
    return next(table for table in tables if column in table)


def figure(test: AppTest, label: str) -> str:
    return next(metric.value for metric in test.metric if metric.label == label)


def figures_drawn(test: AppTest) -> int:
    return len(drawn(test))


def test_the_board_shows_change_trend_and_what_is_ahead(queries):
    test = run("overview")
    (row,) = having([each.value for each in test.dataframe], "atm_iv").to_dict("records")
    path = queries.skew_path(desk.SYMBOL)["atm_iv"].tolist()
    assert row["atm_iv"] == pytest.approx(100 * path[-1])
    assert row["atm_iv_change"] == pytest.approx(100 * (path[-1] - path[-2]))
    assert list(row["trend"]) == pytest.approx(path)
    assert row["event"] == "monthly expiration in 28 d"
    skew = queries.skew(desk.SYMBOL).frames["skew_metrics"].set_index(["basis", "tenor_days"])
    near = skew.loc[("constant_maturity", 30.0)]
    assert np.isnan(row["premium"])
    assert np.isnan(near["realized_vol"])
    assert row["rr_25"] == pytest.approx(100 * near["rr_25"])


def test_the_board_is_filtered_and_keeps_the_filter_in_the_url():
    test = run("overview", find="zzz")
    assert not test.dataframe
    assert "No underlying fits" in test.info[0].value
    test.text_input(key="find").set_value("sim").run()
    assert test.query_params["find"] == "sim"
    assert len(test.dataframe) == 1


@pytest.mark.parametrize("view", ["3d", "heat", "density", "local_vol"])
@pytest.mark.parametrize("axis", ["log_moneyness", "strike", "delta"])
def test_every_view_is_drawn_on_every_axis(view, axis):
    test = run("surface", symbol=desk.SYMBOL, view=view, axis=axis)
    assert figures_drawn(test) == 2
    assert test.query_params["view"] == view


def test_points_are_coloured_by_the_published_mispricing(queries):
    points = having(opened("surface", "3d_SIMX", symbol=desk.SYMBOL, colour="mispricing"), "mispricing")
    rows = queries.read("mispricing", desk.SYMBOL).frames["mispricings"]
    assert np.allclose(points["mispricing"], beside_model(points, rows), equal_nan=True)
    assert points["mispricing"].notna().mean() > 0.5
    good = rows[rows["status"] == "ok"]
    assert points["mispricing"].abs().max() <= good["difference"].abs().max()


def test_a_difference_is_against_an_earlier_surface_at_equal_time_and_axis(queries):
    earlier = queries.recent_snapshots(desk.SYMBOL, "vol_surface")[1]
    asked = {"symbol": desk.SYMBOL, "colour": "difference", "axis": "log_moneyness"}
    points = having(opened("surface", "3d_SIMX", **asked, against=rfc3339(earlier.as_of)), "difference")
    other = queries.surface(desk.SYMBOL, as_of=earlier.as_of).frames["surface_slices"]
    assert np.allclose(points["difference"], difference(points, other, "log_moneyness"), equal_nan=True)
    middle = points.iloc[len(points) // 2]
    served = served_of(other)
    vol = float(served.iv(middle["log_moneyness"], middle["tau_years"]))
    assert middle["difference"] == pytest.approx(middle["iv"] - vol, abs=1e-12)


def test_a_surface_differs_from_itself_by_nothing(queries):
    slices = queries.surface(desk.SYMBOL).frames["surface_slices"]
    for axis in ("log_moneyness", "strike", "delta"):
        found = difference(heat(slices, axis), slices, axis)
        assert np.isfinite(found).mean() > 0.3
        assert np.nanmax(np.abs(found)) < 1e-6


def test_a_density_integrates_to_one_around_the_forward(queries):
    slices = queries.surface(desk.SYMBOL).frames["surface_slices"]
    curve = density(slices, slices["expiry_at"].iloc[10])
    k, height = curve["log_moneyness"].to_numpy(), curve["density"].to_numpy()
    assert np.trapezoid(height, k) == pytest.approx(1.0, abs=0.01)
    assert np.trapezoid(height * np.exp(k), k) == pytest.approx(1.0, abs=0.01)


def test_term_structure_shows_the_published_skew(queries):
    test = run("term", symbol=desk.SYMBOL, skew_delta="10")
    rows = queries.skew(desk.SYMBOL).frames["skew_metrics"].set_index(["basis", "tenor_days"])
    near = rows.loc[("constant_maturity", 30.0)]
    assert figure(test, "ATM 30 d") == f"{100 * near['atm_iv']:.2f} %"
    assert figure(test, "10Δ RR 30 d") == f"{100 * near['rr_10']:+.2f} pts"
    assert figures_drawn(test) == 5
    shown = having([each.value for each in test.dataframe], "forward_iv")
    assert (100 * rows.loc["expiry"]["atm_iv"]).tolist() == pytest.approx(shown["atm_iv"].tolist())


def test_the_cone_is_of_the_bars_published(queries):
    table = having(opened("term", "cone_SIMX", symbol=desk.SYMBOL), "median")
    assert table["tenor_days"].tolist() == [7.0, 14.0, 30.0, 60.0, 91.0, 182.0]
    assert (np.diff(table[["least", "q10", "q25", "median", "q75", "q90", "greatest"]]) >= 0).all()
    month = table[table["tenor_days"] == 30.0].iloc[0]
    assert month["least"] <= month["latest"] <= month["greatest"]


def test_heston_shows_parameters_with_errors_and_what_they_do_over_time(queries):
    test = run("heston", symbol=desk.SYMBOL)
    row = queries.heston(desk.SYMBOL).frames["heston_calibrations"].iloc[0]
    assert float(figure(test, "ρ")) == pytest.approx(row["rho"], abs=10 * row["rho_stderr"])
    ratio = 2 * row["kappa"] * row["theta"] / row["sigma"] ** 2
    assert figure(test, "Feller ratio") == f"{ratio:.2f}"
    assert figures_drawn(test) == 9
    history = having(opened("heston", "heston_SIMX", symbol=desk.SYMBOL), "kappa")
    assert len(history) == len(desk.SESSIONS)


def test_pages_travel_to_what_was_known_then(queries):
    first = queries.recent_snapshots(desk.SYMBOL, "heston_fit")[-1]
    test = run("heston", symbol=desk.SYMBOL, known_at=rfc3339(first.known_at))
    assert any("pinned in time" in each.value for each in test.markdown)
    history = having(
        opened("heston", "heston_SIMX", symbol=desk.SYMBOL, known_at=rfc3339(first.known_at)), "kappa"
    )
    assert len(history) == 1


def test_a_travelled_board_knows_nothing_later(queries):
    first = queries.recent_snapshots(desk.SYMBOL, "skew_metrics")[-1]
    test = run("overview", known_at=rfc3339(first.known_at))
    (row,) = having([each.value for each in test.dataframe], "trend").to_dict("records")
    assert len(row["trend"]) == 1
    test = run("overview", known_at="2000-01-01T00:00:00Z")
    assert "Nothing was known then" in test.info[0].value


STATES = {
    "surface": product(("strike", "delta"), ("3d", "heat"), ("iv", "mispricing"), EXPIRIES, (0, 1, 2)),
    "term": product(("25", "10"), ("30", "91", "182"), (0, 1, 2)),
    "heston": product(("strike", "log_moneyness"), ("30", "91"), (0, 1, 2)),
}
NAMES = {
    "surface": ("axis", "view", "colour", "expiry", "as_of"),
    "term": ("skew_delta", "tenor", "as_of"),
    "heston": ("errors_by", "band_tenor", "as_of"),
}


def _states() -> list[tuple[str, dict]]:
    """States of all pages in turn, as many as are tried."""
    turns = zip(*(islice(cycle(states), PERMALINKS) for states in STATES.values()), strict=True)
    flat = [(name, state) for turn in turns for name, state in zip(STATES, turn, strict=True)]
    return [(name, dict(zip(NAMES[name], state, strict=True))) for name, state in flat[:PERMALINKS]]


def link_of(test: AppTest) -> dict[str, str]:
    """The link that a page offers, as query parameters."""
    from urllib.parse import parse_qsl

    (link,) = (each.value for each in test.code if "known_at=" in str(each.value))
    return dict(parse_qsl(str(link).partition("?")[2]))


def content(test: AppTest) -> tuple:
    figures = [(each.label, each.value) for each in test.metric]
    charts = [each["figure"] for each in drawn(test)]
    return figures, charts, [each.value.to_csv() for each in test.dataframe]


def test_permalinks_go_round_and_stand_whatever_is_published_later(queries, store):
    entries = queries.recent_snapshots(desk.SYMBOL, "vol_surface")
    links = []
    for page, state in _states():
        as_of = rfc3339(entries[state.pop("as_of")].as_of)
        test = run(page, symbol=desk.SYMBOL, as_of=as_of, **state)
        link = link_of(test)
        assert {name: link[name] for name in state} == state
        links.append((page, link, content(test)))
    desk.publish(store, revision=stamp(queries.watermark()))
    for page, link, before in links:
        again = run(page, **link)
        assert content(again) == before
        assert again.query_params["version"] == link["version"]


@pytest.mark.parametrize(("hours", "count"), [(0.2, 0), (1.2, 0), (30, 0), (73.3, 1), (24 * 7 + 6, 5)])
def test_staleness_counts_the_sessions_that_closed_since(hours, count):
    as_of = desk.chain().as_of
    found = behind("XNYS", as_of, as_of + timedelta(hours=hours))
    assert found.count == count
    assert (found.last_close is None) == (count == 0)
