"""Any table of quotes with a column map: what it gives, and one clear line for each thing that is wrong."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from periscope_assets.sources import files
from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts import parquet
from periscope_assets.sources.layouts.generic import MAP

MAPPED = {
    "columns": {
        "contract": "Sym", "expiry": "Exp", "type": "PC", "strike": "K", "bid": "B", "ask": "A",
        "vendor_iv": "IV", "as_of": "T", "quoted_at": "Q",
    },
    "constants": {"symbol": "SPX", "underlying_price": "4505.5"},
    "divide": {"vendor_iv": 100, "strike": 1000},
    "formats": {"expiry": "%m/%d/%Y"},
    "options": {"zone": "America/New_York", "absent": ["NA"], "put": ["Put"], "call": ["Call"]},
}  # fmt: skip
TABLE = """\
Sym,Exp,PC,K,B,A,IV,T,Q,other
SPXW230915C04512500,09/15/2023,Call,4512500,1.5,1.6,13.1,2023-09-14T16:00:00,2023-09-14T15:59:30,x
SPXW230915P04512500,09/15/2023,Put,4512500,NA,1.6,,2023-09-14T16:00:00,,y
"""


def parsed(table=TABLE, mapped=MAPPED, name="quotes.csv"):
    content = table.encode() if isinstance(table, str) else table
    document = mapped if isinstance(mapped, bytes) else json.dumps(mapped).encode()
    return files.parse(RawPayload(name, content, companions={MAP: document}), "generic")[1]


def changed(section, **keys):
    return {**MAPPED, section: {**MAPPED[section], **keys}}


def without(section, key):
    return {**MAPPED, section: {name: value for name, value in MAPPED[section].items() if name != key}}


def as_parquet(table=TABLE, **columns):
    frame = pd.read_csv(io.StringIO(table), dtype={"Sym": str, "Exp": str, "T": str}).assign(**columns)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    return sink.getvalue()


def test_units_formats_zone_words_and_constants():
    (chain,) = parsed()
    assert (chain.symbol, chain.as_of) == ("SPX", datetime(2023, 9, 14, 20, tzinfo=UTC))
    assert chain.spot == 4505.5
    assert chain.n_raw == len(chain.rows) == 2
    call, put = chain.rows.to_dict("records")
    assert (call["strike"], call["is_call"], call["expiry"]) == (4512.5, True, date(2023, 9, 15))
    assert (call["root"], call["settlement"]) == ("SPXW", "pm")
    assert call["vendor_iv"] == 0.131
    assert call["quoted_at"] == pd.Timestamp("2023-09-14T19:59:30Z")
    assert np.isnan([put["bid"], put["vendor_iv"]]).all()
    assert put["quoted_at"] is pd.NaT
    assert list(chain.rows["raw_line"]) == [2, 3]


def test_toml_says_the_same_as_json():
    toml = b"""
    [columns]
    contract = "Sym"
    expiry = "Exp"
    type = "PC"
    strike = "K"
    bid = "B"
    ask = "A"
    vendor_iv = "IV"
    as_of = "T"
    quoted_at = "Q"
    [constants]
    symbol = "SPX"
    underlying_price = 4505.5
    [divide]
    vendor_iv = 100
    strike = 1000
    [formats]
    expiry = "%m/%d/%Y"
    [options]
    zone = "America/New_York"
    absent = ["NA"]
    put = ["Put"]
    call = ["Call"]
    """
    pd.testing.assert_frame_equal(parsed(mapped=toml)[0].rows, parsed()[0].rows)


def test_parquet_says_the_same_as_csv():
    rows = parsed(as_parquet(B=[1.5, np.nan]), name="quotes.parquet")[0].rows
    same = parsed()[0].rows
    pd.testing.assert_frame_equal(rows.drop(columns="raw_line"), same.drop(columns="raw_line"))
    assert list(rows["raw_line"]) == [1, 2]


def test_parquet_with_times_and_dates_of_its_own():
    content = as_parquet(
        B=[1.5, np.nan], T=pd.to_datetime(["2023-09-14T16:00:00"] * 2), Exp=[date(2023, 9, 15)] * 2
    )
    rows = parsed(content, without("formats", "expiry"))[0].rows
    assert list(rows["expiry"]) == [date(2023, 9, 15)] * 2


def test_the_contract_alone_is_enough_and_so_are_its_parts():
    columns = {key: MAPPED["columns"][key] for key in ("contract", "bid", "ask", "as_of")}
    alone = {"columns": columns, "options": MAPPED["options"]}
    (chain,) = parsed(mapped=alone)
    assert (chain.symbol, list(chain.rows["strike"])) == ("SPX", [4512.5, 4512.5])
    (chain,) = parsed(mapped=without("columns", "contract"))
    assert list(chain.rows["contract"]) == ["SPX230915C04512500", "SPX230915P04512500"]
    (chain,) = parsed(TABLE.replace("SPXW230915", "O:SPXW230915"))
    assert list(chain.rows["contract"]) == ["SPXW230915C04512500", "SPXW230915P04512500"]


def test_a_name_that_contradicts_its_fields_is_for_the_rules_to_judge():
    (chain,) = parsed(TABLE.replace("C04512500,", "C04512501,"))
    assert list(chain.rows["strike"]) == [4512.5, 4512.5]
    assert chain.rows["contract"][0] == "SPXW230915C04512501"


def test_snapshots_and_symbols_are_told_apart_and_rows_of_one_capture_brought_together():
    later = TABLE.replace("P04512500,09/15/2023,Put,4512500,NA,1.6,,2023-09-14T16:00:00", "P04512500,09/15/2023,Put,4512500,NA,1.6,,2023-09-14T16:00:02")  # noqa: E501  # fmt: skip
    assert [len(chain.rows) for chain in parsed(later)] == [1, 1]
    (one,) = parsed(later, changed("options", snapshot="latest"))
    assert one.as_of == datetime(2023, 9, 14, 20, 0, 2, tzinfo=UTC)


def test_other_delimiters():
    (chain,) = parsed(TABLE.replace(",", ";"), changed("options", delimiter=";"))
    assert chain.n_raw == 2


BAD_MAPS = {
    "neither": (b"[columns", ["neither TOML nor JSON"]),
    "huge": (b" " * 70_000, ["no column map"]),
    "section": ({**MAPPED, "colums": {}}, ["colums", "expected columns"]),
    "ours": (changed("columns", bidd="B"), ["bidd", "no column of ours"]),
    "twice": (changed("constants", bid="1"), ["bid", "both"]),
    "missing": (without("columns", "ask"), ["ask", "say where it comes from"]),
    "no symbol": (
        {**without("columns", "contract"), "constants": {}},
        ["symbol", "say where it comes from"],
    ),
    "divisor": (changed("divide", bid=0), ["divide.bid", "expected a number"]),
    "divisor of text": (changed("divide", type=2), ["divide.type"]),
    "format": (changed("formats", bid="%Y"), ["formats.bid"]),
    "zone": (changed("options", zone="../etc/passwd"), ["options.zone", "no zone"]),
    "delimiter": (changed("options", delimiter="::"), ["options.delimiter"]),
    "option": (changed("options", speed=1), ["options.speed"]),
    "words": (changed("options", absent="NA"), ["options.absent", "list"]),
    "snapshot": (changed("options", snapshot="first"), ["options.snapshot"]),
    "constant": (changed("constants", underlying_price="dear"), ["constants.underlying_price", "'dear'"]),
    "hostile symbol": (changed("constants", symbol="../x"), ["constants.symbol", "'../x'"]),
}
BAD_TABLES = {
    "column": (TABLE.replace(",PC,", ",CP,"), ["line 1", "column PC is missing"]),
    "letters": (TABLE.replace("1.5,", "I.5,"), ["line 2", "column B", "'I.5'"]),
    "date": (TABLE.replace("09/15/2023,Put", "15/09/2023,Put"), ["line 3", "column Exp", "a date"]),
    "side": (TABLE.replace(",Put,", ",Pot,"), ["line 3", "column PC", "'Pot'"]),
    "time": (TABLE.replace("16:00:00,,", "25:00:00,,"), ["line 3", "column T", "a time"]),
    "strike": (TABLE.replace("4512500,NA", ",NA"), ["line 3", "column K", "blank"]),
    "cells": (TABLE.replace(",y", ""), ["line 3", "9 cells"]),
    "name": (TABLE.replace("SPXW230915P04512500", "x" * 41), ["line 3", "column Sym"]),
    "rows": (TABLE.split("\n")[0], ["a header but no rows"]),
    "parquet type": (as_parquet(B=["a", "b"]), ["record 1", "column B", "'a'"]),
    "parquet column": (as_parquet().replace(b"PC", b"CP"), ["column PC is missing"]),
    "parquet cut": (as_parquet()[:-9], ["damaged Parquet"]),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_a_bad_map_is_one_clear_line(case):
    document, fragments = BAD_MAPS[case]
    _one_line(partial(parsed, mapped=document), [MAP, *fragments])


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_that_is_not_as_mapped_is_one_clear_line(case):
    table, fragments = BAD_TABLES[case]
    _one_line(partial(parsed, table), ["quotes.csv", *fragments])


def _one_line(act, fragments):
    with pytest.raises(SourceError) as caught:
        act()
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 400
    for fragment in fragments:
        assert fragment in message, message


def test_a_time_without_zone_needs_one():
    _one_line(partial(parsed, mapped=without("options", "zone")), ["line 2", "column T"])


def test_without_a_map_it_is_never_guessed():
    with pytest.raises(SourceError, match="--map FILE"):
        files.parse(RawPayload("quotes.csv", TABLE.encode()), "generic")
    with pytest.raises(SourceError, match="no known layout"):
        files.parse(RawPayload("quotes.csv", TABLE.encode(), companions={MAP: b"{}"}))


def test_a_parquet_bomb_is_measured_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 10_000_000)
    bomb = as_parquet(Sym=["x" * 6_000_000] * 2, B=[1.0, 1.0])
    assert len(bomb) < 1_000_000
    _one_line(partial(parsed, bomb), ["unpacks to", "split the file"])
    monkeypatch.setattr(parquet, "MAX_RECORDS", 1)
    _one_line(partial(parsed, as_parquet()), ["2 records"])
