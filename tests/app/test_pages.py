"""The app's pages in each of their states: data, stale, empty, unknown, unpublished, store out of reach."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import cache
from app.queries import Queries, StoreUnavailableError, to_jsonable
from app.queries.times import rfc3339
from app.state import permalink
from periscope_assets.store.repository import Draft
from tests.app import market
from tests.app.drawn import drawn

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"


def _surface_page() -> None:
    from app.views.surface.view import render

    render()


@pytest.fixture(autouse=True)
def clean_caches():
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def opened(store, monkeypatch):
    """Let the app open the test's store."""
    monkeypatch.setattr(cache, "open_store", lambda _: store)
    return store


def surface_page(**query: str) -> AppTest:
    page = AppTest.from_function(_surface_page, default_timeout=30)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def overview_page() -> AppTest:
    return AppTest.from_file(str(MAIN), default_timeout=30).run()


def texts(page: AppTest) -> str:
    kinds = (page.info, page.warning, page.error, page.caption, page.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def figure(page: AppTest, label: str) -> str:
    return next(metric.value for metric in page.metric if metric.label == label)


def test_overview_lists_underlyings_with_their_figures(opened):
    market.publish(opened)
    market.publish(opened, "NDX")
    page = overview_page()
    assert not page.exception
    table = page.dataframe[0].value
    assert table["symbol"].tolist() == ["/surface?symbol=NDX", "/surface?symbol=SPX"]
    assert table["atm_iv"].tolist() == pytest.approx([15.12, 15.12])
    assert next(each.value for each in page.markdown if "Of the latest quotes" in each.value).endswith(
        "**2 of 2**"
    )


def test_overview_of_an_empty_store_says_what_to_run(opened):
    page = overview_page()
    assert not page.exception
    assert "periscope demo" in texts(page)


def test_surface_page_shows_the_published_numbers(opened):
    market.publish(opened)
    page = surface_page(symbol="SPX")
    assert not page.exception
    answer = Queries(opened).surface("SPX")
    fits = page.dataframe[0].value
    slices = answer.frames["surface_slices"]
    assert fits["forward"].tolist() == slices["forward"].tolist()
    assert fits["rmse_bps"].tolist() == slices["rmse_bps"].tolist()
    assert list(zip(fits["root"], fits["settles"], strict=True))[1:3] == [("SPX", "AM"), ("SPXW", "PM")]
    assert figure(page, "Quotes").endswith(f"of {Queries(opened).chain('SPX').quality['n_raw']:,}")
    assert answer.version[:12] in texts(page)
    assert "Fri 02 Jan 2026 16:00 New York (21:00 UTC)" in texts(page)
    assert len(drawn(page)) == 2


def test_surface_page_writes_its_state_into_the_url(opened):
    market.publish(opened)
    page = surface_page(symbol="SPX", axis="delta")
    assert page.query_params["symbol"] == "SPX"
    assert page.query_params["axis"] == "delta"
    page.selectbox(key="expiry").select("2026-12-18T14:30:00Z").run()
    assert page.query_params["expiry"] == "2026-12-18T14:30:00Z"
    again = surface_page(**page.query_params)
    assert again.selectbox(key="expiry").value == "2026-12-18T14:30:00Z"


def test_known_at_shows_what_was_known_then(opened):
    market.publish(opened, level=0.16)
    first = Queries(opened).surface("SPX")
    market.publish(opened, revision="2", level=0.25)
    page = surface_page(symbol="SPX")
    latest = page.dataframe[0].value["atm_vol"].tolist()
    page.selectbox(key="known_at").select(rfc3339(first.published_at)).run()
    assert not page.exception
    then = page.dataframe[0].value["atm_vol"].tolist()
    assert then == pytest.approx((100 * first.frames["surface_slices"]["atm_iv"]).tolist())
    assert then != latest
    assert page.query_params["known_at"] == rfc3339(first.published_at)


def test_a_permalink_shows_the_same_numbers_whatever_is_published_later(opened):
    market.publish(opened)
    answer = Queries(opened).surface("SPX")
    link = permalink(answer, expiry="2026-02-20T14:30:00Z", axis="strike")
    market.publish(opened, revision="2", level=0.25)
    page = surface_page(**link)
    assert not page.exception
    assert answer.version[:12] in texts(page)
    assert page.query_params["version"] == answer.version
    page.selectbox(key="known_at").select("now").run()
    assert "version" not in page.query_params
    assert answer.version[:12] not in texts(page)


def test_as_of_travels_to_an_earlier_snapshot(opened):
    earlier = market.AS_OF - timedelta(days=1)
    market.publish(opened, as_of=earlier, level=0.3)
    market.publish(opened)
    page = surface_page(symbol="SPX", as_of=rfc3339(earlier))
    assert not page.exception
    assert "Thu 01 Jan 2026" in texts(page)


def test_a_stale_surface_carries_a_banner(opened):
    market.publish(opened)
    market.publish(opened, as_of=market.AS_OF + timedelta(days=1), only=("option_quotes",))
    page = surface_page(symbol="SPX")
    assert not page.exception
    assert "2026-01-03T21:00:00Z are published" in page.warning[0].value


def test_a_surface_without_quotes_or_forwards_is_still_shown(opened):
    market.publish(opened)
    market.publish(opened, "NDX", only=("vol_surface", "option_quotes"))
    page = surface_page(symbol="NDX")
    assert not page.exception
    assert page.dataframe[0].value["forward_stderr"].isna().all()
    assert figure(page, "ATM vol 30 d") == "–"


def test_a_surface_of_which_nothing_could_be_fitted_says_so(opened):
    drafts = market.drafts()
    slices = drafts[3].frames["surface_slices"]
    blank = dict.fromkeys(("atm_iv", "rmse_bps", "min_g"), float("nan"))
    failed = {**drafts[3].frames, "surface_slices": slices.assign(**blank, status="too_few_strikes")}
    fields = {name: getattr(drafts[3], name) for name in Draft.__slots__}
    opened.publish([*drafts[:3], Draft(**{**fields, "frames": failed})], opened.fence())
    page = surface_page(symbol="SPX")
    assert not page.exception
    assert "No expiry of this snapshot could be fitted" in texts(page)
    assert set(page.dataframe[0].value["status"]) == {"too_few_strikes"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"symbol": "SPQ"}, "Did you mean SPX?"),
        ({"symbol": "NDX"}, "periscope materialize --date 2026-01-02 --universe NDX --select vol_surface"),
        ({"symbol": "not a symbol"}, "symbol"),
        ({"symbol": "SPX", "as_of": "yesterday"}, "RFC 3339"),
        ({"symbol": "SPX", "known_at": "soon"}, "RFC 3339"),
        ({"symbol": "SPX", "as_of": "2020-01-01T00:00:00Z"}, "Ask for an as_of at or after"),
        ({"symbol": "SPX", "version": "0123456789ab"}, "Leave version out"),
        ({"symbol": "SPX", "axis": "sideways", "expiry": "never"}, "1 to 99 delta"),
    ],
)
def test_what_can_not_be_shown_is_explained(opened, query, expected):
    market.publish(opened)
    market.publish(opened, "NDX", only=("option_quotes",))
    page = surface_page(**query)
    assert not page.exception
    assert expected in texts(page)


def test_a_store_out_of_reach_is_named_with_its_remedy_and_tried_again(store, monkeypatch):
    def refuse(_):
        raise StoreUnavailableError("no server at 127.0.0.1:1; check PERISCOPE_DATABASE__URL")

    market.publish(store)
    monkeypatch.setattr(cache, "open_store", refuse)
    page = surface_page(symbol="SPX")
    assert not page.exception
    assert "127.0.0.1:1" in page.error[0].value
    monkeypatch.setattr(cache, "open_store", lambda _: store)
    page.button(key="retry").click().run()
    assert not page.error
    assert figure(page, "Expiries fitted") == "6 of 6"


def test_the_app_refuses_to_serve_other_machines(opened):
    before = st.get_option("server.address")
    st._config.set_option("server.address", "0.0.0.0")
    try:
        page = overview_page()
    finally:
        st._config.set_option("server.address", before)
    assert "authentication" in page.error[0].value
    assert not page.dataframe


def test_the_pages_numbers_are_the_apis(opened):
    market.publish(opened)
    page = surface_page(symbol="SPX")
    page.session_state["numbers_3d_SPX"] = True
    page.run()
    body = to_jsonable(Queries(opened).surface("SPX", coordinate="delta", points=41))
    points = next(table.value for table in page.dataframe if "total_variance" in table.value)
    assert points["iv"].tolist() == [row["iv"] for row in body["data"]["surface_grid"]]
