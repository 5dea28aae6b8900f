"""The binary rows are what PostgreSQL's documentation of COPY describes: read back one cell at a time."""

from __future__ import annotations

import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_assets.store import copying, tables
from periscope_assets.store.frames import check
from tests.store.store_samples import AS_OF, quotes, refused

QUOTES, REFUSED = tables.table("options_snapshots"), tables.table("quarantined_quotes")


def cells(content):
    """Return the raw cells of each row, None for null."""
    rows, at = [], 0
    while at < len(content):
        (n,) = struct.unpack_from(">h", content, at)
        at, row = at + 2, []
        for _ in range(n):
            (size,) = struct.unpack_from(">i", content, at)
            row.append(None if size < 0 else content[at + 4 : at + 4 + size])
            at += 4 + max(size, 0)
        rows.append(row)
    return rows


def encoded(table, frame):
    blocks = copying.encode(table, check(table, frame), len(frame), 7, AS_OF)
    return cells(b"".join(blocks))


texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=12)
numbers = st.floats(allow_infinity=False) | st.none()


@given(
    st.lists(
        st.tuples(texts, numbers, st.none() | texts), min_size=1, max_size=20, unique_by=lambda row: row[0]
    )
)
def test_every_cell_is_there_whatever_its_length(rows):
    contracts, bids, flags = zip(*rows, strict=True)
    frame = quotes(len(rows)).assign(
        contract=contracts, bid=np.array(bids, dtype=float), flags=pd.array(flags, dtype="str")
    )
    names = ["publication_id", "as_of", *(column.name for column in tables.content_columns(QUOTES))]
    found = [dict(zip(names, row, strict=True)) for row in encoded(QUOTES, frame)]
    assert [each["contract"].decode() for each in found] == list(contracts)
    assert [None if each["flags"] is None else each["flags"].decode() for each in found] == list(flags)
    for each, bid in zip(found, bids, strict=True):
        absent = bid is None or bid != bid
        assert each["bid"] == (None if absent else struct.pack(">d", bid))
        assert (each["publication_id"], each["vendor_iv"]) == (struct.pack(">q", 7), struct.pack(">d", 0.2))
        assert each["expiry"] == struct.pack(">i", (frame.expiry[0] - AS_OF.date().replace(2000, 1, 1)).days)


@pytest.mark.parametrize("n", [0, 1, copying.ROWS_PER_BLOCK, copying.ROWS_PER_BLOCK + 1])
def test_blocks_leave_out_no_row(n):
    lines = [struct.unpack(">q", row[-1])[0] for row in encoded(QUOTES, quotes(n))]
    assert lines == list(range(1, n + 1))


def test_one_row_far_wider_than_its_neighbours_does_not_widen_them(monkeypatch):
    monkeypatch.setattr(copying, "BYTES_PER_BLOCK", 1 << 16)
    wide = [{"bid": 1.0, "note": "x" * (50_000 if row == 90 else 3)} for row in range(100)]
    blocks = list(copying.encode(REFUSED, check(REFUSED, refused(100).assign(record=wide)), 100, 7, AS_OF))
    assert len(blocks) > 1
    found = cells(b"".join(blocks))
    assert [len(row[-1]) > 50_000 for row in found] == [row == 90 for row in range(100)]
