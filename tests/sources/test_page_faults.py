"""Pages that a vendor should not send: never a partial chain, each ends in success or one clear error."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from periscope_assets.pipeline.landing import Landed
from periscope_assets.settings import SourceSettings
from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload, SourceError, TransientSourceError
from periscope_assets.sources.live import LiveSource
from periscope_assets.sources.opening import open_source
from periscope_assets.sources.transport import Policy
from periscope_assets.store.lake import Lake
from tests.sources import replay_server as replay
from tests.sources import vendor_samples as samples
from tests.sources.stepped_clock import Stepped

SESSION = date(2026, 6, 2)
ALWAYS = 10**6
ATTEMPTS = 4
PATIENCE = Policy(attempts=ATTEMPTS, timeout_seconds=0.15)


@dataclass
class Result:
    """What came of one session asked for over a vendor with a fault."""

    vendor: replay.Massive
    server: replay.Server
    other: replay.Server
    lake: Lake
    waits: list[float]
    error: SourceError | None = None

    def contracts(self) -> list[str]:
        """Contracts of the chain as they are read back from the lake."""
        (manifest,) = self.lake.manifests("SPY", SESSION)
        companions = {name: self.lake.read_raw(sha) for name, sha in manifest.companions.items()}
        payload = RawPayload(manifest.name, self.lake.read_raw(manifest.sha256), companions=companions)
        (chain,) = files.parse(payload)[1]
        assert chain.completeness == manifest.completeness == 1.0
        assert chain.rows["raw_line"].tolist() == list(range(1, chain.n_raw + 1))
        return chain.rows["contract"].tolist()


def ask(tmp_path: Path, seed: int, fault: str | None, times: int) -> Result:
    """Ask for a session over a vendor with a fault, landing what comes."""
    lake, stepped = Lake((tmp_path / f"lake-{fault}-{times}-{seed}").as_uri()), Stepped()
    with replay.serving(lambda handler: handler.send(b"{}")) as other:
        vendor = replay.Massive(seed, fault, times, other.origin)
        with replay.serving(vendor) as server:
            settings = SourceSettings(
                kind="massive", key=SecretStr(samples.KEY), url=server.origin, requests_per_second=1000
            )
            source = open_source(settings, stepped.clock, random.Random(seed).random, PATIENCE)
            assert isinstance(source, LiveSource)
            result = Result(vendor, server, other, lake, stepped.waits)
            try:
                Landed(lake, source).manifests("SPY", SESSION)
            except SourceError as error:
                result.error = error
            finally:
                source.close()
    return result


def check(result: Result, fault: str, times: int) -> None:
    """Whole chain or one clear error, and the key nowhere but in the request."""
    recovers = fault not in replay.ADDRESS_FAULTS and times < (2 if fault in replay.PAGE_FAULTS else ATTEMPTS)
    stored = [path.read_bytes() for path in Path(result.lake.url.removeprefix("file://")).rglob("*.gz")]
    assert result.other.requests == []
    assert not any(samples.KEY in path for path, _ in result.server.requests)
    assert not any(samples.KEY.encode() in content for content in stored)
    if recovers:
        assert result.error is None
        assert result.contracts() == [ticker.removeprefix("O:") for ticker in result.vendor.tickers]
        return
    assert result.error is not None, "a fault that never ends went unnoticed"
    assert result.lake.manifests("SPY", SESSION) == []
    message = str(result.error)
    assert "\n" not in message
    assert message.startswith("massive") or ".json" in message
    assert samples.KEY not in message
    assert len(message) < 300
    assert isinstance(result.error, TransientSourceError) == (fault in replay.WIRE_FAULTS)
    assert len(stored) >= 2, "what came before the error is kept"


def run(tmp_path: Path, fault: str, seed: int) -> None:
    times = (1, ATTEMPTS - 1, ALWAYS)[seed % 3]
    check(ask(tmp_path, seed, fault, times), fault, times)


def test_a_vendor_without_faults_gives_the_whole_chain(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    result = ask(tmp_path, 0, None, 0)
    check(result, "none", 0)
    assert samples.KEY not in caplog.text
    manifest = result.lake.manifests("SPY", SESSION)[0]
    assert (manifest.layout, manifest.origin) == ("massive", "massive")
    cover = result.lake.read_raw(manifest.sha256).decode()
    assert all(sha in cover for sha in manifest.companions.values())
    assert '"request_id": "r-1"' in cover
    assert samples.KEY not in cover


@pytest.mark.parametrize("fault", replay.FAULTS)
@pytest.mark.parametrize("seed", range(3))
def test_no_partial_chain_is_published(tmp_path, fault, seed):
    run(tmp_path, fault, seed)


WHOLE = {
    "cboe": ("SPX", {"/api/global/delayed_quotes/options/_SPX.json": samples.cboe()}),
    "deribit": (
        "BTC",
        {
            "/api/v2/public/get_book_summary_by_currency": samples.deribit(),
            "/api/v2/public/get_instruments": samples.deribit(
                [samples.deribit_instrument(name) for name in samples.BTC]
            ),
        },
    ),
}


@pytest.mark.parametrize("fault", [*replay.BODY_FAULTS, *replay.WIRE_FAULTS])
@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("times", [1, ALWAYS])
def test_vendors_of_whole_answers_recover_or_say_why(tmp_path, kind, fault, times):
    symbol, answers = WHOLE[kind]
    lake, stepped = Lake(tmp_path.as_uri()), Stepped()
    for seed in range(2):
        with replay.serving(replay.Single(seed, fault, times, answers=answers)) as server:
            settings = SourceSettings(kind=kind, url=server.origin, requests_per_second=1000)
            source = open_source(settings, stepped.clock, random.Random(seed).random, PATIENCE)
            if times == 1:
                (payload,) = source.fetch(symbol, SESSION)
                assert files.parse(payload)[1][0].n_raw == 3
            else:
                with pytest.raises(SourceError) as caught:
                    Landed(lake, source).manifests(symbol, SESSION)
                assert isinstance(caught.value, TransientSourceError) == (fault in replay.WIRE_FAULTS)
            source.close()
    assert lake.manifests(symbol, SESSION) == []


@pytest.mark.nightly
@pytest.mark.parametrize("fault", replay.FAULTS)
def test_no_partial_chain_is_published_over_many_seeds(tmp_path, fault):
    for seed in range(3, 103):
        run(tmp_path, fault, seed)


def test_a_vendor_that_says_when_to_come_back_is_waited_for(tmp_path):
    result = ask(tmp_path, 1, "too_many", 1)
    assert result.error is None
    assert any(wait >= replay.SECONDS_ASKED for wait in result.waits)
