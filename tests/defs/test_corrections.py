"""Corrections and withdrawals: a later file supersedes, a withdrawn one gives way to the one before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from periscope_assets.pipeline import Pipeline, land, withdrawals
from periscope_assets.settings import Settings
from periscope_assets.sources.base import RawPayload
from periscope_assets.store.lake import Lake

HEADER = (
    "periscope-simulated-chain,1,SIMX,2026-01-02T20:45:00+00:00,5012.34\n"
    "contract,expiry,type,strike,bid,ask,bid_size,ask_size,last,volume,open_interest,"
    "vendor_iv,vendor_delta,vendor_mark,underlying_price\n"
)
SESSION = datetime(2026, 1, 2, tzinfo=UTC).date()
FIRST = datetime(2026, 1, 2, 21, 0, tzinfo=UTC)
CHAIN = ("raw_chain", "option_quotes")


def payload(bid: float, received_at: datetime = FIRST) -> RawPayload:
    row = f"SIMX260116C05000000,2026-01-16,C,5000,{bid},62.4,10,12,61.9,55,1200,0.1513,0.55,61.8,5012.34\n"
    return RawPayload(f"bid_{bid}.csv", (HEADER + row).encode(), received_at)


@pytest.fixture
def pipeline(store, tmp_path):
    return Pipeline(Settings(home=tmp_path / "home"), store, Lake((tmp_path / "raw").as_uri()))


@pytest.fixture
def lake(tmp_path):
    return Lake((tmp_path / "raw").as_uri())


def build(pipeline, *datasets):
    made = [one for name in datasets or CHAIN for one in pipeline.build(name, ["SIMX"], SESSION, "run")]
    assert [one.error for one in made if one.error] == []
    return [one.outcome for one in made]


def served_bid(pipeline, known_at=None):
    head = pipeline.store.head("option_quotes", "SIMX", known_at=known_at)
    return None if head is None else float(pipeline.store.rows(head, "options_snapshots")["bid"].iloc[0])


@pytest.mark.parametrize("days", [5, 60])
def test_a_correction_supersedes_and_its_withdrawal_publishes_the_old_content_anew(pipeline, lake, days):
    land(lake, payload(61.2))
    assert build(pipeline) == ["published", "published"]
    first = pipeline.store.head("option_quotes", "SIMX")

    # Three sessions later, or much later, the vendor sends a corrected file of the same snapshot.
    corrected = land(lake, payload(61.5, FIRST + timedelta(days=days)))
    assert build(pipeline) == ["published", "published"]
    second = pipeline.store.head("option_quotes", "SIMX")
    assert second.supersedes == first.publication_id
    assert second.version != first.version
    assert served_bid(pipeline) == 61.5
    assert served_bid(pipeline, known_at=first.known_at) == 61.2

    withdrawals.withdraw(lake, corrected, FIRST + timedelta(days=days + 1))
    assert build(pipeline) == ["published", "published"]
    third = pipeline.store.head("option_quotes", "SIMX")
    assert third.version == first.version
    assert third.publication_id > second.publication_id
    assert third.supersedes == second.publication_id
    assert served_bid(pipeline) == 61.2
    assert served_bid(pipeline, known_at=second.known_at) == 61.5
    assert build(pipeline) == ["unchanged", "unchanged"]


def test_landing_a_withdrawn_file_again_brings_it_back(pipeline, lake):
    taken = land(lake, payload(61.2))
    withdrawals.withdraw(lake, taken, FIRST + timedelta(hours=1))
    assert withdrawals.standing(lake.manifests("SIMX", SESSION)) == []
    again = land(lake, payload(61.2, FIRST + timedelta(hours=2)))
    withdrawals.reinstate(lake, again, FIRST + timedelta(hours=2))
    assert [one.sha256 for one in withdrawals.standing(lake.manifests("SIMX", SESSION))] == [again[0].sha256]
    assert withdrawals.reinstate(lake, again, FIRST + timedelta(hours=3)) == []
    assert build(pipeline) == ["published", "published"]


def test_a_withdrawn_only_file_takes_its_snapshot_out_of_every_dataset(pipeline, lake):
    taken = land(lake, payload(61.2))
    build(pipeline)
    before = pipeline.store.head("option_quotes", "SIMX")
    withdrawals.withdraw(lake, taken, FIRST + timedelta(days=1))
    assert build(pipeline) == ["withdrawn", "withdrawn"]
    assert served_bid(pipeline) is None
    assert served_bid(pipeline, known_at=before.known_at) == 61.2
    assert build(pipeline) == ["unchanged", "unchanged"]


def test_withdrawing_a_superseded_file_changes_nothing(pipeline, lake):
    old = land(lake, payload(61.2))
    land(lake, payload(61.5, FIRST + timedelta(days=1)))
    build(pipeline)
    withdrawals.withdraw(lake, old, FIRST + timedelta(days=2))
    assert build(pipeline) == ["unchanged", "unchanged"]
    assert served_bid(pipeline) == 61.5


def test_manifests_are_found_by_the_sha256_of_the_file(lake):
    (taken,) = land(lake, payload(61.2))
    assert lake.manifests_of(taken.sha256) == [taken]
    assert lake.manifests_of("0" * 64) == []
    with pytest.raises(ValueError, match="sha256"):
        lake.manifests_of("../x")


def test_quotes_from_the_future_of_their_receipt_are_refused(pipeline, lake):
    land(lake, payload(61.2, datetime(2026, 1, 2, 20, 43, tzinfo=UTC)))
    build(pipeline, "raw_chain")
    (made,) = pipeline.build("option_quotes", ["SIMX"], SESSION, "run")
    assert made.outcome == "rejected"
    assert made.quality["quarantined_clock_skew"] == made.quality["n_raw"] == 1


def test_what_follows_a_rejected_surface_says_so_and_by_which_criterion(pipeline, lake):
    land(lake, payload(61.2))
    upstream = ("rate_curve", "forward_curve", "implied_vols", "vol_surface")
    assert build(pipeline, *CHAIN, *upstream)[-1] == "rejected"
    (grid,) = pipeline.build("surface_grid", ["SIMX"], SESSION, "run")
    (sabr,) = pipeline.build("sabr_fit", ["SIMX"], SESSION, "run")
    for made in (grid, sabr):
        assert (made.outcome, made.cause) == ("failed", "rejected_input")
        assert "vol_surface was rejected (too_few_strikes: no expiry could be fitted)" in made.error
    (signals,) = pipeline.build("trade_signals", ["SIMX"], SESSION, "run")
    assert (signals.outcome, signals.cause) == ("failed", "missing_input")
