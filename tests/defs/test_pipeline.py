"""The pipeline: what lands wins, versions follow content, a day without session is a success."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import pytest

from periscope_assets.pipeline import METHOD_VERSIONS, MissingInputError, Pipeline, land, session_bounds
from periscope_assets.settings import SourceSettings
from periscope_assets.sources.base import RawPayload
from periscope_assets.sources.opening import open_source
from periscope_assets.store.connect import open_store
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import StoreUnavailableError
from periscope_assets.transforms.flow import STAGES

SOURCE = open_source(SourceSettings())
FRIDAY, SATURDAY = date(2026, 3, 20), date(2026, 3, 21)


@pytest.fixture
def lake(tmp_path):
    return Lake((tmp_path / "lake").as_uri())


@pytest.fixture
def pipeline(new_home, tmp_path, lake):
    settings = new_home(tmp_path, "pipeline")
    with closing(open_store(settings)) as store:
        yield Pipeline(settings, store, lake, SOURCE)


def build(pipeline, *datasets, symbol="SIMN", session=FRIDAY):
    return {name: pipeline.build(name, [symbol], session, "run") for name in datasets or METHOD_VERSIONS}


def outcomes(built):
    return {name: [each.outcome for each in made] for name, made in built.items()}


def every_outcome(built):
    return {each for made in outcomes(built).values() for each in made}


def ledger(store):
    """What readers see of the ledger: a look that changes nothing may raise a fence."""
    return [replace(entry, fence=0) for entry in store.heads(statuses=None)]


def edited(old, new, *, symbol="SIMN"):
    """The source's payload with one text for another, received later."""
    (payload,) = SOURCE.fetch(symbol, FRIDAY)
    assert old in payload.content
    later = payload.received_at + timedelta(hours=1)
    return replace(payload, content=payload.content.replace(old, new, 1), received_at=later)


def test_a_second_build_writes_nothing(pipeline):
    first = build(pipeline)
    assert every_outcome(first) == {"published"}
    before = ledger(pipeline.store)
    again = build(pipeline)
    assert every_outcome(again) == {"unchanged"}
    assert ledger(pipeline.store) == before
    assert [each.quality for each in again["implied_vols"]] == [
        each.quality for each in first["implied_vols"]
    ]


def test_a_day_without_session_is_published_as_such(pipeline):
    built = build(pipeline, session=SATURDAY)
    assert outcomes(built) == {
        name: ["published" if name == "rate_curve" else "no_session"] for name in METHOD_VERSIONS
    }
    (head,) = pipeline.store.heads("vol_surface", "SIMN", statuses=None)
    assert head.status == "no_session"
    assert (head.as_of, None) == (session_bounds(SATURDAY)[0], head.supersedes)
    again = build(pipeline, session=SATURDAY)
    assert every_outcome(again) == {"unchanged"}


def test_what_has_landed_wins_over_the_source(pipeline, lake):
    (payload,) = SOURCE.fetch("SIMN", FRIDAY)
    spot = payload.content.split(b"\n", 1)[0].rsplit(b",", 1)[1]
    land(lake, replace(payload, content=payload.content.replace(spot, b"12345.67", 1)))
    built = build(pipeline, "raw_chain", "option_quotes")
    assert built["option_quotes"][0].quality["spot"] == 12345.67


def test_a_corrected_payload_is_a_new_version_and_all_that_follows_is_built_again(pipeline, lake):
    build(pipeline)
    line = next(row for row in SOURCE.fetch("SIMN", FRIDAY)[0].content.split(b"\n")[2:] if b",C," in row)
    cells = line.split(b",")
    bid = b"%.2f" % (float(cells[4]) + 0.05)
    land(lake, edited(line, b",".join([*cells[:4], bid, *cells[5:]])))
    assert every_outcome(build(pipeline)) == {"published", "unchanged"}
    (head,) = pipeline.store.heads("option_quotes", "SIMN")
    assert head.supersedes is not None


def test_other_bytes_with_the_same_rows_change_nothing_beyond_the_raw_chain(pipeline, lake):
    first = build(pipeline)
    land(lake, edited(b"\n", b"\r\n"))
    again = outcomes(build(pipeline))
    assert again["raw_chain"] == ["published"]
    assert again["option_quotes"] == ["unchanged"]
    assert all(again[name] == ["unchanged"] for name in STAGES)
    assert (
        first["option_quotes"][0].receipt.version
        == build(pipeline, "option_quotes")["option_quotes"][0].receipt.version
    )


def test_other_rates_rebuild_what_hangs_on_them(pipeline, lake):
    build(pipeline)
    other = pipeline.settings.model_copy(
        update={"rates": pipeline.settings.rates.model_copy(update={"zero_rates": {1.0: 0.04}})}
    )
    changed = Pipeline(other, pipeline.store, lake, SOURCE)
    again = outcomes(build(changed))
    assert again["option_quotes"] == ["unchanged"]
    assert again["rate_curve"] == again["forward_curve"] == again["trade_signals"] == ["published"]


def test_several_snapshots_of_a_day_are_told_apart(pipeline, lake):
    (payload,) = SOURCE.fetch("SIMN", FRIDAY)
    stamp = payload.content.split(b",", 4)[3]
    for hour in (b"T15:", b"T17:"):
        moved = stamp[:10] + hour + stamp[14:]
        land(lake, replace(payload, content=payload.content.replace(stamp, moved, 1)))
    built = build(pipeline, "raw_chain", "option_quotes", "rate_curve", "forward_curve")
    assert [each.as_of.hour for each in built["forward_curve"]] == [15, 17]
    assert outcomes(built)["forward_curve"] == ["published", "published"]


def test_a_bad_symbol_does_not_fail_its_neighbours(pipeline):
    made = pipeline.build("raw_chain", ["NOPE", "SIMN"], FRIDAY, "run")
    assert [(each.symbol, each.outcome) for each in made] == [("NOPE", "failed"), ("SIMN", "published")]
    assert "no simulated market" in made[0].error
    assert "\n" not in made[0].error


def test_a_stage_without_its_input_says_what_is_missing(pipeline):
    with pytest.raises(MissingInputError, match="there is no option_quotes; materialize it first"):
        pipeline.run(STAGES["forward_curve"], "SIMN", FRIDAY, "run")


def test_nothing_landed_and_no_source_says_so(pipeline, lake):
    alone = Pipeline(pipeline.settings, pipeline.store, lake)
    with pytest.raises(MissingInputError, match="no chain has landed"):
        alone.raw_chain("SIMN", FRIDAY, "run")
    assert [each.outcome for each in alone.raw_chain("SIMN", SATURDAY, "run")] == ["no_session"]


def test_a_lost_store_fails_as_a_whole(pipeline, lake):
    address = "postgresql://nobody:secret@127.0.0.1:1/none"
    lost = Pipeline(pipeline.settings, PostgresStore(address), lake, SOURCE)
    with pytest.raises(StoreUnavailableError) as caught:
        lost.build("raw_chain", ["SIMN"], FRIDAY, "run")
    assert "secret" not in str(caught.value)


def test_a_payload_is_landed_once_and_unreadable_ones_register_nothing(pipeline, lake):
    (payload,) = SOURCE.fetch("SIMN", FRIDAY)
    first, second = land(lake, payload), land(lake, payload)
    assert first == second
    assert [(each.symbol, each.session) for each in first] == [("SIMN", FRIDAY)]
    assert len(lake.manifests("SIMN", FRIDAY)) == 1
    with pytest.raises(ValueError, match=r"x\.csv"):
        land(lake, RawPayload("x.csv", b"a,b\n1,2\n"))
