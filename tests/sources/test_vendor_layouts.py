"""What the vendors' JSON says, and each way in which it may say something else."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import partial

import numpy as np
import pytest

from periscope_assets.sources import files
from periscope_assets.sources.base import QUOTE_COLUMNS, ParsedChain, RawPayload, SourceError
from periscope_assets.sources.layouts.answers import cover
from tests.sources import vendor_samples as samples


def parse(content: bytes, **companions: bytes) -> ParsedChain:
    _, (chain,) = files.parse(RawPayload("saved.json", content, companions=companions))
    return chain


def test_massive_contracts_keep_what_the_vendor_gave():
    chain = parse(samples.massive_file(4, greeks={}, last_trade={}, day={}, open_interest=0))
    rows = chain.rows
    assert (chain.symbol, chain.spot, chain.n_raw, chain.completeness) == ("SPY", 600.25, 4, None)
    assert chain.as_of == rows["quoted_at"].max() <= datetime(2026, 6, 2, 20, tzinfo=UTC)
    assert rows["contract"].tolist()[0] == "SPY260618C00500000"
    assert rows["expiry"].tolist() == [date(2026, 6, 18)] * 4
    assert rows["multiplier"].tolist() == [100.0] * 4
    first = rows.iloc[0]
    assert np.isnan([first["last"], first["volume"], first["vendor_delta"]]).all()
    assert first["open_interest"] == 0
    assert (rows["ask"] - rows["bid"]).round(6).tolist() == [0.05] * 4


def test_an_index_has_a_value_where_a_share_has_a_price():
    content = samples.massive_file(2).replace(b"O:SPY", b"O:SPXW").replace(b'"SPY"', b'"I:SPX"')
    chain = parse(content.replace(b'"price": 600.25, "ticker"', b'"value": 6000.5, "ticker"'))
    assert (chain.symbol, chain.spot, set(chain.rows["settlement"])) == ("SPX", 6000.5, {"pm"})


def test_a_tier_without_quotes_is_named_and_never_an_empty_chain():
    page = json.loads(samples.massive_file(4))
    for record in page["results"]:
        del record["last_quote"]
    with pytest.raises(SourceError, match="none of 4 contracts has a last_quote: this key's plan has"):
        parse(json.dumps(page).encode())
    page["results"][0] = {"ticker": "O:SPY", "error": "NOT_ENTITLED", "message": "Not entitled."}
    text = json.dumps(page).replace(
        '"results": [', '"details": "contract_type underlying_asset", "results": ['
    )
    with pytest.raises(SourceError, match=r"NOT_ENTITLED.*plan has no option quotes"):
        parse(text.encode())


def test_cboe_times_are_utc_and_sentinels_stay_for_the_rules():
    chain = parse(samples.cboe())
    assert (chain.symbol, chain.spot) == ("SPX", 5012.5)
    assert chain.as_of == datetime(2026, 6, 2, 20, 15, 7, tzinfo=UTC)
    assert chain.rows["settlement"].tolist() == ["am", "am", "pm"]
    assert chain.rows["vendor_iv"].tolist() == [0.21, 0.0, 0.21]
    assert chain.rows["raw_line"].tolist() == [1, 2, 3]


def test_deribit_prices_are_coin_and_vols_decimals():
    chain = parse(samples.deribit())
    assert (chain.symbol, chain.spot, chain.n_raw) == ("BTC", 78494.25, 3)
    assert chain.as_of == datetime(2026, 6, 2, 20, tzinfo=UTC)
    assert np.isnan(chain.rows["bid"].iloc[1])
    assert chain.rows["vendor_iv"].tolist() == [0.3898] * 3
    assert chain.rows["underlying_price"].tolist() == [78523.27] * 3
    assert set(chain.rows["settlement"]) == {"utc08"}


def test_deribit_strikes_may_have_a_d_for_the_point():
    name = "BTC-19JUN26-1d325-C"
    assert parse(samples.deribit([samples.deribit_book(name)])).rows["strike"].tolist() == [1.325]


def changed(content: bytes, old: str, new: str) -> bytes:
    assert old.encode() in content
    return content.replace(old.encode(), new.encode(), 1)


massive = partial(changed, samples.massive_file())
cboe = partial(changed, samples.cboe())
deribit = partial(changed, samples.deribit())

BAD = {
    "not the last page": (
        massive('"status"', '"next_url": "https://x/y?cursor=2", "status"'),
        "ends before its last page",
    ),
    "a contract twice": (
        samples.massive_file().replace(b"C00501000", b"C00500000"),
        "record 2: .* came before",
    ),
    "strike against contract": (massive('"strike_price": 500', '"strike_price": 501'), "501"),
    "side against contract": (massive('"call"', '"put"'), "record 1, column contract_type"),
    "text for a number": (massive('"open_interest": ', '"open_interest": "x", "o": '), "field"),
    "truth for a number": (cboe('"bid": 9.1', '"bid": true'), "record 1, field bid: 'True'"),
    "number too large": (cboe('"bid": 9.1', '"bid": 1e999'), "field bid: 'inf'"),
    "integer too large": (cboe('"bid": 9.1', f'"bid": {"9" * 400}'), "field bid"),
    "no number": (cboe('"bid": 9.1', '"bid": NaN'), "no JSON"),
    "time that is none": (cboe("20:15:07", "20:61:07"), "timestamp: '2026-06-02 20:61:07'"),
    "time with a zone": (cboe("20:15:07", "20:15:07Z"), "no time like"),
    "two underlyings": (cboe("SPXW260603P", "XSP260603P"), "record 3, column option.*not on SPX"),
    "options that are none": (cboe('[{"option"', '[7, {"option"'), "record 1 of data.options"),
    "linear option": (samples.deribit([samples.deribit_book("XRP_USDC-19JUN26-1d3-P")]), "an inverse option"),
    "time out of range": (deribit("1780430400000", "1"), "is no time"),
    "times absent": (samples.deribit([samples.deribit_book("BTC-19JUN26-77000-C", creation_timestamp=None)]),
                     "no quote has a time"),
    "reported error": (deribit('"result"', '"error": {"code": 10028}, "result"'), "'10028'"),
    "cut short": (samples.massive_file()[:-30], "no JSON, cut off or damaged"),
    "too deep": (samples.cboe()[:-1] + b', "x": ' + b"[" * 100_000, "no JSON"),
    "hostile underlying": (massive('"ticker": "SPY"', '"ticker": "../SPY"'), "expected 1-15"),
}  # fmt: skip


def test_no_options_are_not_an_empty_chain():
    with pytest.raises(SourceError, match="no options; check the symbol"):
        files.parse(RawPayload("saved.json", samples.cboe([])), "cboe")
    with pytest.raises(SourceError, match="no instruments in the book summary"):
        files.parse(RawPayload("saved.json", samples.deribit([])), "deribit")
    with pytest.raises(SourceError, match="no contract in 1 pages"):
        files.parse(RawPayload("saved.json", json.dumps(samples.page([], None)).encode()), "massive")


@pytest.mark.parametrize("case", BAD)
def test_bad_answers_are_one_clear_line(case):
    content, wanted = BAD[case]
    with pytest.raises(SourceError, match=wanted) as caught:
        parse(content)
    message = str(caught.value)
    assert message.startswith("saved.json: ")
    assert message.isprintable()
    assert len(message) < 300


def answers() -> RawPayload:
    listed = [samples.deribit_instrument(name) for name in samples.BTC]
    pages = [
        RawPayload("summary-0001.json", samples.deribit()),
        RawPayload("instruments-0001.json", samples.deribit(listed)),
        RawPayload("ticker-x.json", samples.deribit(samples.deribit_ticker(samples.BTC[0]))),
    ]
    return cover("deribit", "BTC", pages)


def test_a_ticker_replaces_what_the_summary_says_of_its_instrument():
    _, (chain,) = files.parse(answers())
    assert list(chain.rows.columns) == list(QUOTE_COLUMNS)
    assert chain.rows["bid_size"].fillna(-1).tolist() == [12.5, -1, -1]
    assert chain.rows["bid"].fillna(-1).tolist() == [0.025, -1, 0.024]
    assert chain.rows["vendor_delta"].iloc[0] == 0.53
    assert chain.completeness == 1.0
    assert chain.as_of == datetime(2026, 6, 2, 20, 0, 0, 500_000, tzinfo=UTC)


def test_a_cover_without_its_answers_or_with_others_is_refused():
    whole = answers()
    with pytest.raises(SourceError, match=r"'summary-0001\.json' is missing"):
        files.parse(RawPayload(whole.name, whole.content))
    others = {**whole.companions, "summary-0001.json": b"{}"}
    with pytest.raises(SourceError, match="is not the one that was received"):
        files.parse(RawPayload(whole.name, whole.content, companions=others))
    with pytest.raises(SourceError, match="damaged list of answers"):
        files.parse(RawPayload(whole.name, whole.content[:-20], companions=whole.companions))


def test_quotes_stamped_after_their_receipt_do_not_set_the_time_of_the_chain():
    late = samples.deribit_book(samples.BTC[1], creation_timestamp=samples.STAMP // 1_000_000 + 10**7)
    page = RawPayload(
        "summary-0001.json",
        samples.deribit([samples.deribit_book(samples.BTC[0]), late]),
        datetime(2026, 6, 2, 20, 0, 5, tzinfo=UTC),
    )
    _, (chain,) = files.parse(cover("deribit", "BTC", [page]))
    assert chain.as_of == datetime(2026, 6, 2, 20, tzinfo=UTC)
    assert chain.rows["quoted_at"].max() == datetime(2026, 6, 2, 22, 46, 40, tzinfo=UTC)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "layout", "symbol", "count", "spot"),
    [
        ("massive_chain_elements_SPY_20240530_realtime-tier_REAL.json", "massive", "SPY", 2, 524.56),
        ("massive_chain_snapshot_AAPL_client-python-mock.json", "massive", "AAPL", 1, 159.9606),
        ("cboe_delayed_quotes_options_CLX_20260724_EXCERPT.json", "cboe", "CLX", 13, 95.55),
        ("deribit_get_book_summary_by_currency_BTC_20260908_EXCERPT.json", "deribit", "BTC", 7, 78494.25),
    ],
)
def test_recorded_shapes(recorded, name, layout, symbol, count, spot):
    found, (chain,) = files.parse(files.load(recorded / "api-fixtures" / name))
    assert (found, chain.symbol, chain.n_raw, chain.spot) == (layout, symbol, count, spot)


@pytest.mark.data
def test_the_recorded_starter_tier_has_no_quotes(recorded):
    name = "massive_chain_snapshot_SPY_20251008_calls_starter-tier_REAL.json"
    with pytest.raises(SourceError, match="none of 10 contracts has a last_quote: this key's plan"):
        files.parse(files.load(recorded / "api-fixtures" / name))


@pytest.mark.data
def test_a_recorded_deep_contract_without_greeks(recorded):
    name = "massive_chain_element_deepITM_empty_greeks_client-go-mock.json"
    element = json.loads((recorded / "api-fixtures" / name).read_bytes())
    chain = parse(json.dumps(samples.page([element], None)).encode())
    assert np.isnan(chain.rows[["vendor_iv", "vendor_delta"]].to_numpy(dtype=float)).all()
    assert (chain.rows["bid"].iloc[0], chain.rows["ask"].iloc[0]) == (74.85, 75.05)


@pytest.mark.data
def test_recorded_instruments_and_tickers_are_read(recorded):
    from periscope_assets.sources.layouts.contracts import deribit

    folder = recorded / "api-fixtures"
    listed = json.loads((folder / "deribit_get_instruments_option_result_EXCERPT.json").read_bytes())
    assert [deribit(each["instrument_name"]).strike for each in listed] == [each["strike"] for each in listed]
    ticker = json.loads((folder / "deribit_ticker_results_EXCERPT.json").read_bytes())["BTC-21SEP26-68000-C"]
    book = samples.deribit_book("BTC-21SEP26-68000-C")
    pages = [("summary-1", samples.deribit([book])), ("ticker-1", samples.deribit(ticker))]
    whole = cover("deribit", "BTC", [RawPayload(name, content) for name, content in pages])
    row = files.parse(whole)[1][0].rows.iloc[0]
    assert (row["bid"], row["ask"], row["bid_size"], row["vendor_delta"]) == (0.1565, 0.161, 56.0, 1.0)
