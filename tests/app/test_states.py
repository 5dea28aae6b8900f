"""Every page in each of its states: data, nothing, stale, a wrong question, the store out of reach."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from app import cache
from app.queries import StoreUnavailableError
from periscope_assets.store.people import People
from periscope_assets.store.postgres import PostgresStore
from tests.app import desk, market
from tests.app.drawn import drawn
from tests.conftest import emptied

SYMBOL_PAGES = ("surface", "term", "heston", "signals", "strategy", "positioning", "health")
PAGES = ("overview", *SYMBOL_PAGES, "settings")
PARTS = ("freshness", "quarantine", "lineage", "vendor", "alerts")


@pytest.fixture(scope="module")
def urls(pg_server):
    """URLs of three databases: full, empty, stale."""
    found = {}
    for name in ("full", "empty", "stale"):
        pg_server.ensure_database(f"states_{name}")
        found[name] = emptied(pg_server.url(f"states_{name}"))
        store = PostgresStore(found[name])
        if name != "empty":
            desk.publish(store)
        if name == "stale":
            later = market.AS_OF + timedelta(days=1)
            store.publish(
                [each for each in desk.drafts(as_of=later) if each.dataset == "option_quotes"], store.fence()
            )
        store.close()
    return found


@pytest.fixture
def opened(urls, monkeypatch):
    """Let pages open one of the databases."""
    open_ones = []

    def choose(name: str) -> str:
        store, people = PostgresStore(urls[name]), People(urls[name])
        open_ones.extend([store, people])
        monkeypatch.setattr(cache, "open_store", lambda _: store)
        monkeypatch.setattr(cache, "open_people", lambda _: people)
        return urls[name]

    yield choose
    for each in open_ones:
        each.close()


def _render(page: str) -> None:
    from importlib import import_module

    import_module(f"app.views.{page}.view").render()


def run(page: str, **query: str) -> AppTest:
    test = AppTest.from_function(_render, default_timeout=120, kwargs={"page": page})
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def told(test: AppTest) -> str:
    kinds = (test.info, test.warning, test.error, test.caption, test.code, test.markdown)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.mark.parametrize("page", PAGES)
def test_with_data_it_shows_numbers_and_no_complaint(opened, page):
    opened("full")
    test = run(page, symbol="SPX") if page in SYMBOL_PAGES else run(page)
    assert not test.exception
    assert not test.error
    assert test.metric or test.dataframe or test.table
    assert test.header[0].value


@pytest.mark.parametrize(
    ("page", "state"),
    [
        *((page, {}) for page in SYMBOL_PAGES),
        *(("surface", {"view": view}) for view in ("heat", "density", "local_vol")),
        ("health", {"part": "vendor"}),
    ],
)
def test_every_chart_has_words_and_a_table_for_who_can_not_see_it(opened, page, state):
    opened("full")
    test = run(page, symbol="SPX", **state)
    charts = [each["alt"] for each in drawn(test)]
    assert all(len(alt) > 20 for alt in charts)
    assert len(set(charts)) == len(charts)
    tables = len(test.dataframe) + sum(each.label.startswith("Numbers") for each in test.expander)
    assert tables >= min(len(charts), 1)
    assert charts or page == "health"


def test_settings_have_no_pickers_of_data(opened):
    opened("full")
    assert not [each for each in run("settings").selectbox if each.label in ("Symbol", "Known at")]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_of_data_health_is_drawn(opened, part):
    opened("full")
    test = run("health", symbol="SPX", part=part)
    assert not test.exception
    assert not test.error
    assert test.dataframe or test.info


@pytest.mark.parametrize("page", [page for page in PAGES if page != "settings"])
def test_with_nothing_published_it_says_what_to_run(opened, page):
    opened("empty")
    test = run(page)
    assert not test.exception
    assert not test.error
    assert "periscope ingest" in told(test)


@pytest.mark.parametrize("page", SYMBOL_PAGES)
def test_behind_newer_quotes_it_carries_a_banner(opened, page):
    opened("stale")
    test = run(page, symbol="SPX", part="freshness")
    assert not test.exception
    banner = "\n".join(each.value for each in test.warning)
    if page == "health":
        stale = next(metric.value for metric in test.metric if metric.label == "Stale")
        assert int(stale) > 5
    else:
        assert "2026-01-03T21:00:00Z are published" in banner


@pytest.mark.parametrize("page", SYMBOL_PAGES)
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"symbol": "SPQ"}, "Did you mean SPX?"),
        ({"symbol": "SPX", "as_of": "yesterday"}, "RFC 3339"),
        ({"symbol": "SPX", "as_of": "2020-01-01T00:00:00Z"}, "Ask for an as_of at or after"),
    ],
)
def test_a_question_without_an_answer_is_explained(opened, page, query, expected):
    opened("full")
    test = run(page, span="one", part="quarantine", **query)
    assert not test.exception
    assert expected in told(test)


@pytest.mark.parametrize("page", PAGES)
def test_with_the_store_out_of_reach_it_says_so_and_recovers(opened, monkeypatch, page):
    opened("full")
    there = cache.open_store

    def refuse(_):
        raise StoreUnavailableError("no server at 127.0.0.1:1; check PERISCOPE_DATABASE__URL")

    monkeypatch.setattr(cache, "open_store", refuse)
    test = run(page, symbol="SPX")
    assert not test.exception
    assert "127.0.0.1:1" in test.error[0].value
    monkeypatch.setattr(cache, "open_store", there)
    test.button(key="retry").click().run()
    assert not test.exception
    assert not test.error


@pytest.mark.parametrize("page", ["overview", "signals"])
def test_a_fault_of_the_app_is_owned_up_to_with_a_request_id(opened, monkeypatch, page):
    opened("full")

    def fail(*_args, **_kwargs):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("app.components.frame.choose", fail)
    test = run(page, symbol="SPX")
    assert not test.exception
    assert "fault of the app" in test.error[0].value
    assert "secret detail" not in told(test)


def test_an_empty_snapshot_of_signals_is_a_finding(opened):
    opened("stale")
    store = cache.open_store(None)
    later = market.AS_OF + timedelta(days=2)
    mine = {each.dataset: each for each in desk.drafts(as_of=later)}
    none = replace(
        mine["trade_signals"],
        frames={"trade_signals": mine["trade_signals"].frames["trade_signals"].iloc[:0]},
    )
    store.publish([none], store.fence())
    test = run("signals", symbol="SPX")
    assert not test.exception
    assert "That is a finding" in told(test)
