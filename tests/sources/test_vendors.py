"""What is asked of each vendor, and what is refused before anything is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from periscope_assets.pipeline.landing import Landed
from periscope_assets.settings import Settings, SourceSettings
from periscope_assets.sources import files
from periscope_assets.sources.base import SourceError, TransientSourceError
from periscope_assets.sources.live import LiveSource, WrongPageError, next_page
from periscope_assets.sources.opening import DividendsBeside, open_source
from periscope_assets.sources.transport import Policy
from periscope_assets.store.lake import Lake
from tests.sources import replay_server as replay
from tests.sources import vendor_samples as samples
from tests.sources.stepped_clock import Stepped

TODAY = date(2026, 6, 2)
HOSTILE = [
    "../x", "A/B", "..%2f", "A\0B", "A" * 300, "'; DROP TABLE x; --", "ＳＰＸ", "SPΧ", "", "spx", "I:SPX",
    "A?b=1", "A#b", "A B", "A\nB", ".A", "%41",
]  # fmt: skip


@contextmanager
def vendor(kind: str, route: replay.Answer, **settings: object) -> Iterator[tuple[LiveSource, replay.Server]]:
    """A live source over a server of one route."""
    with replay.serving(route) as server:
        chosen = SourceSettings(
            kind=kind, key=SecretStr(samples.KEY), url=server.origin, requests_per_second=1000, **settings
        )
        source = open_source(chosen, Stepped().clock, lambda: 0.5, Policy(attempts=2, timeout_seconds=1))
        assert isinstance(source, LiveSource)
        try:
            yield source, server
        finally:
            source.close()


def fixed(**bodies: bytes) -> replay.Answer:
    """Answer with a body by the last part of the path, else 404."""

    def route(handler: replay.Handler) -> None:
        body = bodies.get(urlsplit(handler.path).path.rsplit("/", 1)[-1].removesuffix(".json"))
        handler.send(body or b"{}", 200 if body else 404)

    return route


def deribit_route(handler: replay.Handler) -> None:
    asked = urlsplit(handler.path)
    params = parse_qs(asked.query)
    method = asked.path.rsplit("/", 1)[-1]
    answers = {
        "get_book_summary_by_currency": lambda: [samples.deribit_book(name) for name in samples.BTC],
        "get_instruments": lambda: [samples.deribit_instrument(name) for name in samples.BTC],
        "ticker": lambda: samples.deribit_ticker(params["instrument_name"][0]),
    }
    handler.send(samples.deribit(answers[method]()))


@pytest.mark.parametrize(("symbol", "written"), [("SPX", "_SPX"), ("SPY", "SPY")])
def test_cboe_writes_an_index_with_an_underscore(symbol, written):
    option = samples.cboe_option(f"{symbol}260618C05000000")
    with vendor("cboe", fixed(**{written: samples.cboe([option])})) as (source, server):
        (payload,) = source.fetch(symbol, TODAY)
    layout, (chain,) = files.parse(payload)
    assert (layout, chain.symbol, chain.n_raw) == ("cboe", symbol, 1)
    assert [path for path, _ in server.requests] == [f"/api/global/delayed_quotes/options/{written}.json"]
    assert "Authorization" not in server.requests[0][1]


def test_cboe_without_such_a_symbol():
    with (
        vendor("cboe", fixed()) as (source, _),
        pytest.raises(SourceError, match="answered 404; Cboe has no delayed quotes under this symbol"),
    ):
        source.fetch("QQQX", TODAY)


def test_deribit_is_reconciled_with_its_list_of_instruments():
    with vendor("deribit", deribit_route) as (source, server):
        (payload,) = source.fetch("BTC", TODAY)
    _, (chain,) = files.parse(payload)
    assert (chain.symbol, chain.n_raw, chain.completeness) == ("BTC", 3, 1.0)
    assert len(server.requests) == 2
    assert chain.rows["bid_size"].isna().all()


def test_deribit_tickers_on_request():
    with vendor("deribit", deribit_route, tickers=True) as (source, server):
        (payload,) = source.fetch("BTC", TODAY)
    _, (chain,) = files.parse(payload)
    assert len(server.requests) == 2 + len(samples.BTC)
    assert chain.rows["bid_size"].tolist() == [12.5] * 3


def test_deribit_has_coins_only():
    with vendor("deribit", deribit_route) as (source, server):
        with pytest.raises(SourceError, match="SPX: has no coin-quoted options there; choose BTC or ETH"):
            source.fetch("SPX", TODAY)
        assert server.requests == []


def test_a_summary_that_misses_instruments_is_no_chain():
    def route(handler: replay.Handler) -> None:
        if "get_book_summary" in handler.path:
            return handler.send(samples.deribit([samples.deribit_book(samples.BTC[0])]))
        return deribit_route(handler)

    with (
        vendor("deribit", route) as (source, _),
        pytest.raises(SourceError, match="1 of 3 listed instruments came") as caught,
    ):
        source.fetch("BTC", TODAY)
    (received,) = caught.value.received
    assert sorted(received.companions) == [
        "discarded-0001-summary-0001.json", "discarded-0002-instruments-0001.json",
    ]  # fmt: skip


def massive(seed: int = 3, **changed: list[dict[str, object]]) -> replay.Massive:
    made = replay.Massive(seed)
    made.pages |= {path: [records] for path, records in changed.items()}
    return made


def test_massive_short_of_its_own_list_is_no_chain(tmp_path):
    made = replay.Massive(3)
    made.pages[samples.SNAPSHOT_PATH] = made.pages[samples.SNAPSHOT_PATH][:-1]
    lake = Lake(tmp_path.as_uri())
    with vendor("massive", made) as (source, server):
        with pytest.raises(SourceError, match=r"listed contracts came \(0\.\d+, at least 0\.99 wanted\)"):
            Landed(lake, source).manifests("SPY", TODAY)
        assert sum("/snapshot/" in path for path, _ in server.requests) == 2 * len(
            made.pages[samples.SNAPSHOT_PATH]
        )
    assert lake.manifests("SPY", TODAY) == []


def test_massive_with_a_lower_bar_says_how_complete_it_is(tmp_path):
    made = replay.Massive(3)
    missing = made.pages[samples.SNAPSHOT_PATH].pop()
    lake = Lake(tmp_path.as_uri())
    with vendor("massive", made, completeness=0.5) as (source, _):
        (manifest,) = Landed(lake, source).manifests("SPY", TODAY)
    expected = 1 - len(missing) / len(made.tickers)
    assert manifest.completeness == pytest.approx(expected, abs=1e-12)


def test_contracts_that_have_settled_need_not_come():
    made = replay.Massive(3)
    settled = [samples.massive_listed(f"O:SPY260602{side}00600000") for side in "CP"]
    made.pages[samples.CONTRACTS_PATH][0][:0] = settled
    with vendor("massive", made) as (source, _):
        (payload,) = source.fetch("SPY", TODAY)
    assert files.parse(payload)[1][0].completeness == 1.0
    made.pages[samples.CONTRACTS_PATH][0][0] = samples.massive_listed("O:SPY260603C00600000")
    with vendor("massive", made) as (source, _), pytest.raises(SourceError, match="listed contracts came"):
        source.fetch("SPY", TODAY)


def test_massive_without_quotes_names_the_tier():
    made = replay.Massive(3)
    for record in (each for part in made.pages[samples.SNAPSHOT_PATH] for each in part):
        del record["last_quote"]
    with (
        vendor("massive", made) as (source, _),
        pytest.raises(SourceError, match="has a last_quote: this key's plan has no option quotes"),
    ):
        source.fetch("SPY", TODAY)


@pytest.mark.parametrize(
    ("status", "says"), [(401, "check PERISCOPE_SOURCE__KEY"), (403, "plan has no option quotes")]
)
def test_massive_says_what_is_wrong_with_the_key(status, says):
    with (
        vendor("massive", lambda handler: handler.send(b'{"status": "NOT_AUTHORIZED"}', status)) as (
            source,
            _,
        ),
        pytest.raises(SourceError, match=says) as caught,
    ):
        source.fetch("SPY", TODAY)
    assert not isinstance(caught.value, TransientSourceError)


def test_massive_writes_an_index_with_its_prefix():
    with vendor("massive", replay.Massive(1)) as (source, server):
        with pytest.raises(SourceError, match="answered 404; no such underlying"):
            source.fetch("SPX", TODAY)
        assert server.requests[0][0].startswith("/v3/snapshot/options/I:SPX?limit=250")


def test_answers_that_were_discarded_on_the_way_are_kept_beside_the_chain():
    with vendor("massive", replay.Massive(2, "html", 1)) as (source, _):
        (payload,) = source.fetch("SPY", TODAY)
    assert [name for name in payload.companions if "discarded" in name]
    assert files.parse(payload)[1][0].completeness == 1.0


@pytest.mark.parametrize("kind", ["massive", "cboe", "deribit"])
@pytest.mark.parametrize("symbol", HOSTILE)
def test_hostile_symbols_never_become_a_request(kind, symbol):
    with vendor(kind, lambda handler: handler.send(b"{}")) as (source, server):
        with pytest.raises(SourceError) as caught:
            source.fetch(symbol, TODAY)
        assert server.requests == []
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("kind", ["massive", "cboe", "deribit"])
def test_a_session_that_is_not_now_is_refused_before_a_request(kind):
    with vendor(kind, lambda handler: handler.send(b"{}")) as (source, server):
        with pytest.raises(SourceError, match=r"quotes the present \(2026-06-02\) only; ingest a file"):
            source.fetch("BTC", date(2026, 6, 1))
        assert server.requests == []


ORIGIN, PATH = "https://api.massive.com", "/v3/snapshot/options/SPY"


def test_a_next_page_keeps_its_cursor_and_loses_its_key():
    address = f"{ORIGIN}{PATH}?cursor=YXA9&limit=250&apiKey=secret&APIKEY=secret"
    assert next_page("massive", address, ORIGIN, PATH) == {"cursor": "YXA9", "limit": "250"}


@pytest.mark.parametrize(
    "address",
    [
        f"http://api.massive.com{PATH}?cursor=1",
        f"https://api.massive.com:444{PATH}?cursor=1",
        f"https://api.massive.com.evil.example{PATH}?cursor=1",
        f"https://api.massive.com@evil.example{PATH}?cursor=1",
        f"https://user@api.massive.com{PATH}?cursor=1",
        f"https://evil.example/{PATH}?cursor=1",
        f"{ORIGIN}/v3/snapshot/options/QQQ?cursor=1",
        f"{ORIGIN}{PATH}/../QQQ?cursor=1",
        f"{ORIGIN}{PATH}",
        f"//evil.example{PATH}?cursor=1",
        f"{PATH}?cursor=1",
        "file:///etc/passwd?cursor=1",
        "https://[::1?cursor=1",
        "",
    ],
)
def test_a_next_page_elsewhere_is_refused(address):
    with pytest.raises(WrongPageError, match="not asked for"):
        next_page("massive", address, ORIGIN, PATH)


def test_kinds_of_sources():
    assert open_source(SourceSettings(kind="files")) is None
    assert open_source(SourceSettings()).name == "simulated"
    for kind in ("massive", "cboe", "deribit"):
        source = open_source(SourceSettings(kind=kind, key=SecretStr(samples.KEY)))
        assert isinstance(source, LiveSource)
        assert source.name == kind
        assert source.dividends("SPY") == ()
        source.close()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SOURCE__KIND", "massive", "set PERISCOPE_SOURCE__KEY"),
        ("SOURCE__KIND", "bloomberg", "pattern"),
        ("SOURCE__KEY", "a key", "8-200 printable"),
        ("SOURCE__URL", "http://vendor.example", "https://host"),
        ("SOURCE__URL", "https://vendor.example/path", "https://host"),
        ("SOURCE__COMPLETENESS", "1.5", "less than or equal to 1"),
        ("SOURCE__REQUESTS_PER_SECOND", "0", "greater than 0"),
        ("RATES__KIND", "file", "set PERISCOPE_RATES__FILE"),
        ("CALENDARS", '{"SPX": "XMARS"}', "'XMARS' of 'SPX' is none of"),
        ("CALENDARS", '{"sim-index": "XLON", "SIMX": "XNYS"}', "SIMX has two of them"),
        ("CALENDARS", '{"no-such-universe": "XLON"}', "no-such-universe"),
    ],
)
def test_senseless_settings_are_refused(monkeypatch, name, value, says):
    monkeypatch.setenv(f"PERISCOPE_{name}", value)
    with pytest.raises(ValidationError, match=says):
        Settings()


def test_a_key_does_not_show(monkeypatch):
    monkeypatch.setenv("PERISCOPE_SOURCE__KEY", samples.KEY)
    settings = Settings()
    assert samples.KEY not in repr(settings) + json.dumps(settings.model_dump(mode="json"))


def test_the_calendar_of_a_universe_holds_for_its_members(tmp_path):
    settings = Settings(calendars={"sim-index": "XLON", "FTSE": "XLON"})
    assert [settings.calendar_of(symbol) for symbol in ("SIMX", "FTSE", "SPY", "BTC")] == [
        "XLON", "XLON", "XNYS", "24/7",
    ]  # fmt: skip
    independence, boxing_day = date(2026, 7, 3), date(2026, 12, 28)
    landed = Landed(Lake(tmp_path.as_uri()), None, settings.calendar_of)
    assert landed.manifests("SIMX", boxing_day) == []
    with pytest.raises(LookupError, match="no chain has landed"):
        landed.manifests("SIMX", independence)


def test_dividends_of_a_file_hold_beside_any_source(tmp_path):
    path = tmp_path / "dividends.csv"
    path.write_text("symbol,ex_date,pay_date,amount,currency\nSPY,2026-06-18,,1.75,USD\n")
    for kind, origin in (("files", "files:occ_ladder"), ("simulated", "files:occ_ladder"), ("cboe", "cboe")):
        source = open_source(SourceSettings(kind=kind, dividends=path))
        assert isinstance(source, DividendsBeside)
        landed = Landed(Lake((tmp_path / "lake").as_uri()), source)
        assert landed.dividends("SPY", origin) == [("2026-06-18", 1.75)]
        assert landed.dividends("QQQ", origin) == []
        assert (len(landed.dividends("ACME", "simulated")) > 0) == (kind == "simulated")
    lost = open_source(SourceSettings(kind="files", dividends=tmp_path / "none.csv"))
    with pytest.raises(SourceError, match=r"none\.csv: no such file"):
        lost.dividends("SPY")
    bare = Landed(Lake((tmp_path / "lake").as_uri()), open_source(SourceSettings()))
    assert bare.dividends("SPY", "files:occ_ladder") == []
    assert len(bare.dividends("ACME", "simulated")) > 20
