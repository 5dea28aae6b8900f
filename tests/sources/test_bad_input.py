"""Each kind of bad input gives one clear line: what, where, remedy."""

from __future__ import annotations

import gzip
import time
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload, SourceError
from tests.sources import source_samples as samples

CBOE_HEADER = samples.CBOE.split(b"Fri Sep 15")[0]
ONLY_HEADER = {
    "cboe_quote_table": CBOE_HEADER,
    "occ_ladder": samples.LADDER.split(b"\n")[0],
    "yahoo_chain": samples.YAHOO.split(b"\n")[0],
    "deribit_books": samples.DERIBIT.split(b"\n")[0],
    "simulated": b"\n".join(samples.SIMULATED.split(b"\n")[:2]),
}


def edited(content, old, new):
    assert old in content
    return content.replace(old, new, 1)


cboe = partial(edited, samples.CBOE)
ladder = partial(edited, samples.LADDER)
yahoo = partial(edited, samples.YAHOO)
deribit = partial(edited, samples.DERIBIT)
simulated = partial(edited, samples.SIMULATED)


BAD = {
    "unknown layout": (b"a,b,c\n1,2,3\n", ["no known layout", "cboe_quote_table"]),
    "binary": (bytes(range(256)) * 4, ["no known layout"]),
    "empty": (b"", ["empty"]),
    "blank": (b"\n\n  \n", ["empty"]),
    "empty gzip": (gzip.compress(b""), ["empty"]),
    "truncated gzip": (samples.zipped(samples.CBOE)[:-9], ["truncated gzip"]),
    "damaged gzip": (samples.zipped(samples.CBOE)[:-6] + b"\0\0\0\0\0\0", ["damaged gzip"]),
    "trailing garbage": (samples.zipped(samples.CBOE) + b"\0\0", ["2 stray bytes"]),
    "not UTF-8": (ladder(b"AAPL1260417P", b"\xff\xfe60417P"), ["line 4", "UTF-8"]),
    "letters in a number": (cboe(b"20.1,", b"2o.1,"), ["line 5", "Calls Bid", "'2o.1'"]),
    "infinite": (ladder(b"5.3,", b"inf,"), ["line 2", "column ask", "'inf'"]),
    "nan as text": (yahoo(b"1e-05", b"nan"), ["line 3", "impliedVolatility", "'nan'"]),
    "too large": (yahoo(b"9.33", b"1e999"), ["line 2", "lastPrice", "'1e999'"]),
    "blank strike": (yahoo(b",770.0,9", b",,9"), ["line 2", "column strike", "blank"]),
    "date that is none": (
        cboe(b"Fri Oct 20 2023", b"Thu Feb 30 2023"),
        ["line 7", "Expiration Date", "'Thu Feb 30 2023'"],
    ),
    "iso date that is none": (ladder(b",2026-04-17,p", b",2026-02-30,p"), ["line 3", "expiration"]),
    "weekday that is wrong": (cboe(b"Fri Oct 20", b"Mon Oct 20"), ["line 7", "Mon Oct 20"]),
    "contract that is none": (ladder(b"AAPL260417C00", b"AAPL260417X00"), ["line 2", "column symbol"]),
    "contract of no date": (yahoo(b"SPY260821P", b"SPY260231P"), ["line 3", "contractSymbol"]),
    "deribit contract": (deribit(b"ETH-3APR26", b"ETH-3APX26"), ["line 3", "instrument_name"]),
    "unknown symbol": (ladder(b",AAPL,", b",aapl!,"), ["line 2", "column underlying", "'aapl!'"]),
    "unknown coin": (
        samples.DERIBIT.replace(b"ETH", b"DOGE"),
        ["line 3", "column currency", "'DOGE'", "BTC, ETH"],
    ),
    "column missing": (ladder(b",strike,", b",strikes,"), ["line 1", "column strike is missing"]),
    "cboe column missing": (cboe(b"Puts,Last Sale", b"Puts,Lost Sale"), ["line 4", "Last Sale"]),
    "cboe column moved": (cboe(b"Bid,Ask,Volume", b"Ask,Bid,Volume"), ["line 4", "'Ask'"]),
    "cells missing": (cboe(b",0.1311", b""), ["line 5", "21 cells", "expected 22"]),
    "unmatched quote": (yahoo(b"True", b'"True'), ["line 2"]),
    "file cut short": (samples.DERIBIT[:-40], ["line 4", "cells"]),
    "strike against contract": (yahoo(b"C,770.0", b"C,771.0"), ["line 2", "771.0", "contradicts"]),
    "side against contract": (ladder(b",call,", b",put,"), ["line 2", "column type", "contradicts"]),
    "put among calls": (cboe(b"SPX230915C", b"SPX230915P"), ["line 5", "column Calls"]),
    "two underlyings": (cboe(b"SPXW230915C", b"XSP230915C"), ["line 6", "not on SPX"]),
    "no date line": (cboe(b"Date: Sep", b"Data: Sep"), ["'Date: ...'"]),
    "date line": (cboe(b"September 14, 2023 at", b"September 31, 2023 at"), ["no time like"]),
    "capture time": (ladder(b"T00:19:09", b"T00:61:09"), ["line 2", "capture_ts"]),
    "capture zone": (ladder(b"09.731,", b"09.731Z,"), ["line 2", "capture_ts"]),
    "two sessions": (
        samples.YAHOO.replace(b"776.34,2026-08-14\n", b"776.34,2026-08-13\n", 1),
        ["line 3", "column session"],
    ),
    "meta alone": (samples.YAHOO_META, ["explains other files"]),
    "simulated title": (simulated(b",1,SIMX", b",9,SIMX"), ["line 1", "generate"]),
    "simulated symbol": (simulated(b"SIMX260116C", b"SIMN260116C"), ["line 3", "not on SIMX"]),
    "damaged parquet": (samples.deribit_parquet()[:-20], ["damaged Parquet"]),
    "parquet number": (samples.deribit_parquet(bid_price=["a", "b", "c"]), ["record 1", "bid_price", "'a'"]),
    "parquet infinite": (samples.deribit_parquet(ask_price=[1.0, np.inf, 1.0]), ["record 2", "ask_price"]),
    "parquet text": (samples.deribit_parquet(timestamp=[1, 2, 3]), ["timestamp", "int64"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(case):
    content, fragments = BAD[case]
    with pytest.raises(SourceError) as caught:
        files.parse(samples.payload(content, "given.csv"))
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 300
    for fragment in ["given.csv", *fragments]:
        assert fragment in message


@pytest.mark.parametrize("layout", ONLY_HEADER)
def test_a_header_without_rows(layout):
    with pytest.raises(SourceError, match="header but no rows"):
        files.parse(samples.payload(ONLY_HEADER[layout]))


def test_yahoo_without_its_companion_names_it():
    with pytest.raises(SourceError, match=r"2026-08-14_meta.json .* the same folder"):
        files.parse(RawPayload("2026-08-14_SPY.csv", samples.YAHOO))
    other = {"meta.json": samples.YAHOO_META.replace(b"2026-08-14", b"2026-08-13")}
    with pytest.raises(SourceError, match=r"2026-08-14_meta\.json"):
        files.parse(RawPayload("2026-08-14_SPY.csv", samples.YAHOO, companions=other))


def test_offending_text_is_cut():
    with pytest.raises(SourceError) as caught:
        files.parse(samples.payload(samples.CBOE.replace(b"20.1,", b"x" * 5000 + b",", 1)))
    assert "x" * 41 not in str(caught.value)


def test_a_decompression_bomb_is_refused():
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(SourceError, match="1,000,000 bytes when decompressed"):
        files.decompress(bomb, "bomb.gz", max_decompressed=1_000_000)


def test_two_gzip_members_are_one_content():
    assert files.decompress(gzip.compress(b"ab") + gzip.compress(b"cd")) == b"abcd"


def test_a_file_of_countless_empty_members_is_read_in_time():
    """Each member is a copy of all that follows it, where all is handed to the engine at once."""
    start = time.process_time()
    assert files.decompress(gzip.compress(b"") * 300_000 + gzip.compress(b"end")) == b"end"
    assert time.process_time() - start < 10


def test_links_folders_and_absent_files_are_refused(tmp_path):
    target = tmp_path / "chain.csv"
    target.write_bytes(samples.LADDER)
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    with pytest.raises(SourceError, match=r"link\.csv: is a link"):
        files.read_bytes(link)
    with pytest.raises(SourceError, match="not a regular file"):
        files.read_bytes(tmp_path)
    with pytest.raises(SourceError, match="no such file"):
        files.read_bytes(tmp_path / "absent.csv")
    with pytest.raises(SourceError, match="more than 10"):
        files.read_bytes(target, max_decompressed=10)
    assert files.read_bytes(target) == samples.LADDER


def test_companions_are_found_beside_the_file_that_needs_them(tmp_path):
    chain, ladder = tmp_path / "2026-08-14_SPY.csv.gz", tmp_path / "2026-08-14_ladder.csv"
    chain.write_bytes(samples.zipped(samples.YAHOO))
    ladder.write_bytes(samples.LADDER)
    assert files.companions_for(chain) == {}
    (tmp_path / "2026-08-14_meta.json").write_bytes(samples.YAHOO_META)
    assert files.companions_for(chain) == samples.COMPANIONS
    assert files.companions_for(ladder) == {}
    assert files.parse(files.load(chain))[0] == "yahoo_chain"


def test_a_companion_is_no_chain():
    assert files.is_companion(samples.YAHOO_META)
    assert not any(
        files.is_companion(content) for content in [*samples.BY_LAYOUT.values(), b"{}", b"[1]", b"{"]
    )


def test_layout_by_name():
    assert files.detect(samples.payload(samples.CBOE), "occ_ladder").name == "occ_ladder"
    with pytest.raises(SourceError, match="no layout is called 'bloomberg'"):
        files.detect(samples.payload(samples.CBOE), "bloomberg")
    with pytest.raises(SourceError, match="column capture_ts is missing"):
        files.parse(samples.payload(samples.YAHOO), "occ_ladder")


SMALL = {**samples.BY_LAYOUT, "parquet": samples.deribit_parquet(), "gzip": samples.zipped(samples.YAHOO)}


@pytest.mark.parametrize("sample", SMALL)
@given(data=st.data())
def test_damage_gives_the_same_rows_or_a_source_error(sample, data):
    content = SMALL[sample]
    whole = sum(chain.n_raw for chain in files.parse(samples.payload(content))[1])
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(SourceError):
        chains = files.parse(samples.payload(bytes(damaged)))[1]
        assert sum(chain.n_raw for chain in chains) == whole
