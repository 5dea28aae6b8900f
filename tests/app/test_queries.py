"""Reads over a real store: what is served, what was known, and why an answer is missing."""

from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from app.queries import InvalidParameterError, NotPublishedError, Queries, UnknownSymbolError, to_jsonable
from app.queries.caching import CachedReader
from app.queries.surface import surface_grid_points
from periscope_assets.store.repository import Draft
from periscope_assets.transforms.surfaces.served import served_of
from tests.app import market

DAY = timedelta(days=1)


@pytest.fixture
def queries(store):
    return Queries(CachedReader(store))


@pytest.fixture
def published(store):
    market.publish(store)
    return store


def test_surface_has_slices_certificate_forwards_and_grid(published, queries):
    answer = queries.surface("SPX")
    assert set(answer.frames) == {
        *("surface_slices", "surface_certificates", "svi_slices", "forwards", "surface_grid")
    }
    assert len(answer.frames["surface_slices"]) == 6
    assert answer.as_of == market.AS_OF
    assert answer.status == "published"
    assert answer.warnings == ()
    assert answer.parts == {
        name: market.version_of(name, "SPX", market.AS_OF, "1") for name in ("vol_surface", "forward_curve")
    }
    assert "publication_id" not in answer.frames["surface_slices"]


def test_am_and_pm_of_one_date_stay_apart(published, queries):
    slices = queries.surface("SPX").frames["surface_slices"]
    same = slices[slices["expiry"] == date(2026, 1, 16)]
    assert same["root"].tolist() == ["SPX", "SPXW"]
    assert same["tau_years"].diff().iloc[1] * 365 * 24 == pytest.approx(6.5)


@pytest.mark.parametrize("coordinate", ["log_moneyness", "strike", "delta"])
def test_grid_evaluates_the_published_parameters(published, queries, coordinate):
    answer = queries.surface("SPX", coordinate=coordinate, points=31)
    grid, slices = answer.frames["surface_grid"], answer.frames["surface_slices"]
    svi = {row["expiry_at"]: row for row in answer.frames["svi_slices"].to_dict("records")}
    assert len(grid) == 6 * 31
    surface = served_of(slices)
    for row in slices.to_dict("records"):
        mine = grid[grid["expiry_at"] == row["expiry_at"]]
        k = mine["log_moneyness"].to_numpy()
        np.testing.assert_array_equal(mine["iv"], surface.iv(k, row["tau_years"]))
        true = market.vol(svi[row["expiry_at"]], k, row["tau_years"])
        assert np.median(np.abs(mine["iv"] - true)) < 5e-4
        np.testing.assert_allclose(mine["strike"], row["forward"] * np.exp(k), rtol=1e-12)
        np.testing.assert_allclose(mine["total_variance"], mine["iv"] ** 2 * row["tau_years"], rtol=1e-12)
        assert k.min() >= row["k_min"] - 1e-12
        assert k.max() <= row["k_max"] + 1e-12
        assert (np.diff(k) > 0).all()
        steps = np.diff(mine[coordinate].to_numpy())
        tolerance = 2e-3 if coordinate == "delta" else 1e-9
        np.testing.assert_allclose(steps, steps.mean(), atol=tolerance * np.abs(steps.sum()))


def test_grid_leaves_out_what_is_not_fitted():
    slices = market.frames()["vol_surface"]["surface_slices"]
    failed = slices.assign(status=[*["ok"] * 5, "too_few_strikes"])
    assert surface_grid_points(failed, points=5)["expiry_at"].nunique() == 5
    none = surface_grid_points(slices.assign(status="too_few_strikes"))
    assert none.empty
    assert "iv" in none


def test_chain_joins_vols_and_unpacks_refused_rows(published, queries):
    answer = queries.chain("SPX")
    chain, rejected = answer.frames["chain"], answer.frames["rejected"]
    assert len(chain) + len(rejected) == answer.quality["n_raw"]
    assert set(chain["status"]) == {"ok", "no_bid"}
    assert chain.loc[chain["status"] == "no_bid", "mid_iv"].isna().all()
    assert chain["contract"].is_unique
    np.testing.assert_allclose(chain["log_moneyness"], np.log(chain["strike"] / chain["forward"]), atol=1e-12)
    assert set(rejected["reason"]) == {"crossed"}
    assert (rejected["bid"] > rejected["ask"]).all()
    assert rejected["log_moneyness"].notna().all()
    assert set(rejected["expiry_at"]) <= set(chain["expiry_at"])


def test_chain_of_one_expiry(published, queries):
    answer = queries.chain("SPX", expiry=date(2026, 1, 16))
    assert set(answer.frames["chain"]["root"]) == {"SPX", "SPXW"}
    assert {str(value) for value in answer.frames["rejected"]["expiry"]} == {"2026-01-16"}


def test_chain_without_vols_says_so(store, queries):
    market.publish(store, only=("option_quotes",))
    answer = queries.chain("SPX")
    assert set(answer.frames["chain"]["status"]) == {"not_computed"}
    assert answer.frames["rejected"]["log_moneyness"].isna().all()
    assert "implied_vols" not in answer.parts


def test_known_at_returns_what_was_known(store, queries):
    market.publish(store, level=0.16)
    first = queries.surface("SPX")
    market.publish(store, revision="2", level=0.24)
    second = queries.surface("SPX")
    assert second.version != first.version
    again = queries.surface("SPX", known_at=first.known_at)
    assert to_jsonable(again) == to_jsonable(first)
    pinned = queries.surface("SPX", version=first.version[:12])
    assert pinned.status == "superseded"
    assert pinned.parts == first.parts
    pd.testing.assert_frame_equal(pinned.frames["svi_slices"], first.frames["svi_slices"])
    assert [entry.version for entry in queries.revisions("SPX")] == [second.version, first.version]


def test_known_at_is_never_later_than_the_watermark(published, queries):
    answer = queries.surface("SPX", known_at="2199-01-01T00:00:00Z")
    assert answer.known_at == queries.watermark()
    assert to_jsonable(queries.surface("SPX", known_at=answer.known_at)) == to_jsonable(answer)


def test_as_of_takes_the_latest_snapshot_before_it(store, queries):
    market.publish(store, as_of=market.AS_OF)
    market.publish(store, as_of=market.AS_OF + 3 * DAY, level=0.2)
    assert queries.surface("SPX").as_of == market.AS_OF + 3 * DAY
    assert queries.surface("SPX", as_of=market.AS_OF + 2 * DAY).as_of == market.AS_OF
    assert queries.surface("SPX", as_of="2026-01-02").as_of == market.AS_OF
    assert [entry.as_of for entry in queries.snapshots("SPX")] == [market.AS_OF + 3 * DAY, market.AS_OF]
    with pytest.raises(NotPublishedError, match="first snapshot") as caught:
        queries.surface("SPX", as_of=market.AS_OF - DAY)
    assert "2026-01-02T21:00:00Z" in caught.value.remedy


def test_newer_quotes_make_a_surface_stale(store, queries):
    market.publish(store)
    market.publish(store, as_of=market.AS_OF + DAY, only=("option_quotes",))
    answer = queries.surface("SPX")
    assert answer.status == "stale"
    assert "2026-01-03T21:00:00Z" in answer.warnings[0]
    row = queries.underlyings().frames["underlyings"].iloc[0]
    assert (row["status"], row["as_of"]) == ("stale", market.AS_OF)


def test_revised_inputs_make_a_surface_stale(store, queries):
    market.publish(store)
    market.publish(store, revision="2", only=("implied_vols",))
    answer = queries.surface("SPX")
    assert answer.status == "stale"
    assert "implied_vols" in answer.warnings[0]


def test_a_rejected_snapshot_leaves_the_last_good_one_served(store, queries):
    market.publish(store)
    [draft] = market.drafts(as_of=market.AS_OF + DAY, only=("vol_surface",))
    fields = {name: getattr(draft, name) for name in draft.__slots__}
    store.publish([Draft(**{**fields, "status": "rejected"})], store.fence())
    assert queries.surface("SPX").as_of == market.AS_OF
    assert queries.surface("SPX", version=draft.version).status == "rejected"
    row = queries.status().frames["status"].set_index("dataset").loc["vol_surface"]
    assert (row["status"], row["latest_as_of"]) == ("stale", market.AS_OF + DAY)


def test_the_three_kinds_of_absence_are_told_apart(store, queries):
    market.publish(store, only=("option_quotes",))
    with pytest.raises(UnknownSymbolError) as unknown:
        queries.surface("SPY")
    assert unknown.value.suggestions == ("SPX",)
    with pytest.raises(NotPublishedError) as unbuilt:
        queries.surface("SPX")
    assert unbuilt.value.remedy == (
        "Run: periscope materialize --date 2026-01-02 --universe SPX --select vol_surface"
    )
    with pytest.raises(UnknownSymbolError):
        queries.chain("SPX", known_at="2000-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"symbol": "spx"}, "symbol"),
        ({"symbol": "A" * 16}, "symbol"),
        ({"symbol": "../SPX"}, "symbol"),
        ({"symbol": "SPX", "as_of": "yesterday"}, "as_of"),
        ({"symbol": "SPX", "known_at": "2026-01-02T21:00:00"}, "known_at"),
        ({"symbol": "SPX", "version": "abc"}, "version"),
        ({"symbol": "SPX", "version": "%%%%%%%%%%"}, "version"),
        ({"symbol": "SPX", "coordinate": "moneyness"}, "coordinate"),
        ({"symbol": "SPX", "points": 1}, "points"),
    ],
)
def test_malformed_questions_name_the_argument(published, queries, arguments, parameter):
    with pytest.raises(InvalidParameterError) as caught:
        queries.surface(**arguments)
    assert caught.value.parameter == parameter


def test_an_unknown_dataset_is_an_invalid_question(published, queries):
    with pytest.raises(InvalidParameterError, match="vol_surface"):
        queries.read("volsurface", "SPX")


def test_summaries_of_an_empty_store(queries):
    assert queries.underlyings().frames["underlyings"].empty
    assert queries.status().frames["status"].empty
    json.dumps(to_jsonable(queries.status()), allow_nan=False)


def test_every_answer_is_json(published, queries):
    answers = [
        queries.surface("SPX"),
        queries.chain("SPX"),
        queries.skew("SPX"),
        queries.underlyings(),
        queries.status(),
    ]
    for answer in answers:
        body = json.loads(json.dumps(to_jsonable(answer), allow_nan=False))
        assert body["version"] == answer.version
        assert body["known_at"].endswith("Z")
        assert body["units"]


def test_rows_are_read_once_and_handed_out_as_copies(published):
    reader = CachedReader(published)
    entry = reader.head("vol_surface", "SPX")
    first = reader.rows(entry, "svi_slices")
    first.loc[:, "a"] = -1.0
    second = reader.rows(entry, "svi_slices")
    assert (second["a"] > 0).all()


def test_the_memory_of_rows_is_bounded(published):
    reader = CachedReader(published, max_bytes=1)
    entry = reader.head("vol_surface", "SPX")
    assert len(reader.rows(entry, "svi_slices")) == 6
    assert reader._bytes == 0


def test_notebooks_read_the_store_of_the_settings(published, monkeypatch):
    from app.queries import notebook

    notebook._queries.cache_clear()
    monkeypatch.setattr("periscope_assets.store.connect.open_store", lambda _: published)
    assert notebook.read("vol_surface", "SPX").as_of == market.AS_OF
    notebook._queries.cache_clear()


def test_what_was_known_at_a_final_time_is_asked_once(published):
    asked = []

    class Counting:
        def __getattr__(self, name):
            asked.append(name)
            return getattr(published, name)

    reader = CachedReader(Counting())
    final = reader.watermark()
    for known_at in (final, final, None, None, final + timedelta(days=1), final + timedelta(days=1)):
        assert reader.head("vol_surface", "SPX", known_at=known_at).symbol == "SPX"
        assert reader.symbols("vol_surface", known_at=known_at) == ["SPX"]
        assert len(reader.recent("vol_surface", ["SPX"], known_at=known_at)) == 1
    assert asked.count("head") == asked.count("symbols") == asked.count("recent") == 5


def test_figures_of_several_publications_are_read_once(published):
    reader = CachedReader(published)
    entries = [reader.head("skew_metrics", "SPX")]
    first = reader.history(entries, "skew_metrics", ("atm_iv",))
    published.close()
    assert reader.history(entries, "skew_metrics", ("atm_iv",)).equals(first)


def test_snapshots_are_counted_as_they_are_served(store, queries):
    market.publish(store)
    market.publish(store, revision="2", only=("vol_surface",))
    market.publish(store, as_of=market.AS_OF + DAY, only=("option_quotes", "vol_surface"))
    status = queries.status().frames["status"].set_index("dataset")
    for dataset, row in status.iterrows():
        assert row["n_snapshots"] == len(queries.snapshots("SPX", dataset)), dataset
        assert row["as_of"] == queries.snapshots("SPX", dataset)[0].as_of
    assert queries.underlyings().frames["underlyings"]["n_snapshots"].tolist() == [2]
    first = min(entry.known_at for entry in queries.snapshots("SPX", "option_quotes"))
    assert store.counts("vol_surface", known_at=first - DAY) == {}


def test_a_page_is_of_one_moment_whatever_is_published_while_it_is_drawn(store, queries):
    market.publish(store)
    page = queries.of_one_moment()
    before = page.surface("SPX")
    market.publish(store, revision="2")
    assert page.surface("SPX").version == before.version
    assert page.chain("SPX").known_at == before.known_at
    assert queries.surface("SPX").version != before.version
