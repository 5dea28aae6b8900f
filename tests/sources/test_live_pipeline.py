"""A live source through the pipeline: raw first, published whole, and every row traced back to its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

import pytest
from pydantic import SecretStr

from periscope_assets.pipeline import FAILED, Pipeline
from periscope_assets.pipeline.landing import Landed, land
from periscope_assets.settings import RateSettings, Settings, SourceSettings
from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts import massive_snapshot
from periscope_assets.sources.opening import open_rates, open_source
from periscope_assets.sources.tracing import trace
from periscope_assets.sources.transport import Policy
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from tests.sources import replay_server as replay
from tests.sources import source_samples
from tests.sources import vendor_samples as samples
from tests.sources.stepped_clock import Stepped

TODAY = date(2026, 6, 2)
PATIENCE = Policy(attempts=2, timeout_seconds=2)


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake((tmp_path / "lake").as_uri())


@pytest.fixture
def served(store_url, lake) -> Iterator[PostgresStore]:
    made = PostgresStore(store_url, lake=lake)
    yield made
    made.close()


@dataclass
class Asked:
    """What a vendor must know of a request to make its body."""

    server: replay.Server


def pipeline(store: PostgresStore, lake: Lake, vendor: str, treasury: str | None = None) -> Pipeline:
    chosen = SourceSettings(
        kind="massive", key=SecretStr(samples.KEY), url=vendor, requests_per_second=1000, completeness=0.5
    )
    rate_settings = RateSettings(kind="treasury", url=treasury) if treasury else RateSettings()
    clock = Stepped().clock
    return Pipeline(
        Settings(source=chosen, rates=rate_settings),
        store,
        lake,
        open_source(chosen, clock, lambda: 0.5, PATIENCE, lake.land),
        open_rates(rate_settings, clock, lambda: 0.5, PATIENCE, lake.land),
    )


def test_a_chain_is_published_whole_and_every_row_is_traced_to_its_answer(served, lake):
    vendor = replay.Massive(5)
    missing = len(vendor.pages[samples.SNAPSHOT_PATH].pop())
    with replay.serving(vendor) as server:
        made = pipeline(served, lake, server.origin)
        (raw,) = made.build("raw_chain", ["SPY"], TODAY, "run")
        (quotes,) = made.build("option_quotes", ["SPY"], TODAY, "run")
    assert (raw.outcome, quotes.outcome) == ("published", "published")
    head = served.head("raw_chain", "SPY")
    assert head.source == "massive"
    assert head.quality["completeness"] == pytest.approx(1 - missing / len(vendor.tickers), abs=1e-12)
    rows = served.rows(served.head("option_quotes", "SPY"), "options_snapshots")
    assert len(rows) + quotes.quality["n_quarantined"] == len(vendor.tickers) - missing
    landed = Landed(lake, None)
    for contract, raw_line in zip(rows["contract"], rows["raw_line"], strict=True):
        origin = landed.trace(head, int(raw_line))
        assert json.loads(origin.text)["details"]["ticker"] == f"O:{contract}"
        page = json.loads(lake.read_raw(origin.sha256))
        assert page["results"][origin.number - 1] == json.loads(origin.text)
        assert origin.request_id.startswith("r-")
        assert origin.received_at is not None
        assert samples.KEY not in origin.url
    assert made.build("raw_chain", ["SPY"], TODAY, "again")[0].outcome == "unchanged"


def test_a_failing_vendor_publishes_nothing_and_its_answers_are_kept(served, lake, tmp_path):
    with replay.serving(replay.Massive(5, "html", 10**6)) as server:
        (raw,) = pipeline(served, lake, server.origin).build("raw_chain", ["SPY"], TODAY, "run")
    assert raw.outcome == FAILED
    assert "no JSON, a web page" in raw.error
    assert served.head("raw_chain", "SPY") is None
    kept = [
        lake.read_raw(path.name.removesuffix(".gz")) for path in (tmp_path / "lake" / "raw").rglob("*.gz")
    ]
    assert any(b"Down for maintenance" in content for content in kept)
    assert any(content.startswith(b'{"periscope_answers"') for content in kept)


def test_answers_rest_in_the_lake_even_if_we_fail_in_the_middle(served, lake, monkeypatch):
    """A mistake of ours in reading the second page, as a kill there, loses nothing that had come."""
    original, vendor = massive_snapshot.read_page, replay.Massive(5)

    def stumble(payload: RawPayload) -> object:
        if payload.name == "snapshot-0002.json":
            raise AttributeError("ours")
        return original(payload)

    monkeypatch.setattr(massive_snapshot, "read_page", stumble)
    with replay.serving(vendor) as server:
        (raw,) = pipeline(served, lake, server.origin).build("raw_chain", ["SPY"], TODAY, "run")
        pages = [vendor.body(Asked(server), samples.SNAPSHOT_PATH, number) for number in range(2)]
    assert raw.outcome == FAILED
    assert [lake.read_raw(sha256(page).hexdigest()) for page in pages] == pages


def test_a_page_that_is_no_table_of_the_treasurys_is_kept(served, lake):
    sorry = b"<html>Sorry</html>"
    with replay.serving(lambda handler: handler.send(sorry)) as server:
        (curve,) = pipeline(served, lake, server.origin, server.origin).build("rate_curve", [], TODAY, "run")
    assert curve.outcome == FAILED
    assert lake.read_raw(sha256(sorry).hexdigest()) == sorry


def test_the_treasurys_curve_is_published_with_the_bytes_it_came_from(served, lake):
    with (
        replay.serving(replay.Massive(5)) as vendor,
        replay.serving(lambda handler: handler.send(samples.PAR_YIELDS)) as server,
    ):
        made = pipeline(served, lake, vendor.origin, server.origin)
        (curve,) = made.build("rate_curve", [], TODAY, "run")
        (again,) = made.build("rate_curve", [], TODAY, "run")
    assert (curve.outcome, again.outcome) == ("published", "unchanged")
    head = served.head("rate_curve", "USD")
    assert head.source == "treasury"
    assert lake.read_raw(head.inputs["sha256"]) == samples.PAR_YIELDS
    assert curve.quality["n_tenors"] == 14
    assert curve.quality["longest_rate"] == pytest.approx(0.0486, abs=0.002)


def test_a_vendor_that_quotes_another_session_says_so(lake):
    late = samples.cboe([samples.cboe_option("SPX260618C05000000")], timestamp="2026-06-02 03:59:59")
    with replay.serving(lambda handler: handler.send(late)) as server:
        settings = SourceSettings(kind="cboe", url=server.origin, requests_per_second=1000)
        source = open_source(settings, Stepped().clock, lambda: 0.5, PATIENCE)
        with pytest.raises(LookupError, match="SPX 2026-06-02: the source's quotes are of 2026-06-01"):
            Landed(lake, source).manifests("SPX", TODAY)
        source.close()
    assert len(lake.manifests("SPX", date(2026, 6, 1))) == 1


def test_bytes_rest_in_the_lake_even_if_they_can_not_be_read(lake):
    payload = RawPayload("x.csv", b"a,b\n1,2\n", companions={"y": b"beside"})
    with pytest.raises(SourceError, match="no known layout"):
        land(lake, payload)
    for content in (payload.content, b"beside"):
        assert lake.read_raw(sha256(content).hexdigest()) == content


@pytest.mark.parametrize("layout", source_samples.BY_LAYOUT)
def test_every_row_of_every_layout_is_traced_to_text_that_names_its_contract(layout):
    payload = source_samples.payload(source_samples.zipped(source_samples.BY_LAYOUT[layout]))
    for chain in files.parse(payload)[1]:
        for contract, raw_line in zip(chain.rows["contract"], chain.rows["raw_line"], strict=True):
            origin = trace(payload, layout, int(raw_line))
            assert contract in origin.text
            assert (origin.name, origin.number) == (payload.name, raw_line)
    with pytest.raises(SourceError, match="lines or records, asked for 1000000"):
        trace(payload, layout, 1_000_000)


def test_a_parquet_record_is_traced():
    payload = source_samples.payload(source_samples.deribit_parquet(), "books.parquet")
    assert "ETH-3APR26-3000-P" in trace(payload, "deribit_books", 2).text
    with pytest.raises(SourceError, match="has 3 lines or records"):
        trace(payload, "deribit_books", 4)
