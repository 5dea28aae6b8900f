"""The lake, in a folder and in a bucket."""

from __future__ import annotations

import gzip
import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from periscope_assets.store import tables
from periscope_assets.store.frames import conform
from periscope_assets.store.lake import Lake, LakeCorruptError, RawManifest
from periscope_assets.store.repository import LedgerEntry
from tests.store.store_samples import AS_OF, LATER, forwards, refused

DIGEST = sha256(b"payload").hexdigest()
MANIFEST = RawManifest(
    DIGEST,
    "a.csv",
    "cboe",
    "SPX",
    date(2024, 1, 2),
    (AS_OF,),
    10,
    7,
    datetime(2024, 1, 2, 21, tzinfo=UTC),
    {"m": DIGEST},
)
ENTRY = LedgerEntry(
    1,
    "forward_curve",
    "SPX",
    AS_OF,
    LATER,
    "v",
    "1",
    {"a": "b"},
    "published",
    None,
    3,
    "files",
    "run",
    {"n": 1},
    None,
)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return Lake((tmp_path / "lake with space").as_uri())
    options = {"endpoint_url": request.getfixturevalue("bucket"), "key": "test", "secret": "test"}
    name = f"lake-{sha256(str(tmp_path).encode()).hexdigest()[:20]}"
    made = Lake(f"s3://{name}/prefix", **options)
    made._objects._fs.mkdir(name)
    return made


def corrupt(lake: Lake, key: str, content: bytes) -> None:
    lake._objects.replace(key, content)


def test_bytes_land_once(lake):
    assert lake.land(b"payload") == lake.land(b"payload") == DIGEST
    assert lake.read_raw(DIGEST) == b"payload"
    assert lake._objects.keys("raw") == [f"raw/{DIGEST[:2]}/{DIGEST}.gz"]
    assert lake.land(b"") == sha256(b"").hexdigest()
    with pytest.raises(FileNotFoundError):
        lake.read_raw(sha256(b"never").hexdigest())


def test_what_rests_is_the_same_bytes_whenever_it_lands(lake):
    lake.land(b"payload")
    key = f"raw/{DIGEST[:2]}/{DIGEST}.gz"
    assert lake._objects.read(key) == gzip.compress(b"payload", mtime=0)


CORRUPT = {
    "empty": b"",
    "no gzip": b"no gzip",
    "other bytes": gzip.compress(b"other"),
    "cut": gzip.compress(b"payload")[:-9],
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_object_is_named_and_landing_the_bytes_again_mends_it(lake, content):
    lake.land(b"payload")
    corrupt(lake, f"raw/{DIGEST[:2]}/{DIGEST}.gz", content)
    with pytest.raises(LakeCorruptError, match=f"raw/{DIGEST[:2]}/{DIGEST}.gz"):
        lake.read_raw(DIGEST)
    assert lake.land(b"payload") == DIGEST
    assert lake.read_raw(DIGEST) == b"payload"


def test_manifests_are_found_by_symbol_and_session(lake):
    other = replace(MANIFEST, sha256=sha256(b"2").hexdigest(), received_at=None, companions={})
    late = replace(MANIFEST, session=date(2024, 1, 5), as_of=(LATER,))
    assert [lake.register(each) for each in (MANIFEST, other, late)] == [True] * 3
    assert not lake.register(MANIFEST)
    assert lake.register(replace(MANIFEST, symbol="SPXW"))
    assert lake.manifests("SPX", date(2024, 1, 2)) == [other, MANIFEST]
    assert lake.manifests("SPX", date(2024, 1, 3)) == lake.manifests("NDX", date(2024, 1, 2)) == []
    assert lake.sessions("SPX") == [date(2024, 1, 2), date(2024, 1, 5)]
    assert lake.sessions("NDX") == []
    assert lake.manifests_between("SPX", date(2024, 1, 3), date(2024, 1, 6)) == [late]
    assert lake.manifests_between("SPX", date(2024, 1, 2), date(2024, 1, 5)) == [other, MANIFEST]


def test_datasets_come_back_as_they_were(lake):
    for name, frame in (
        ("forwards", forwards()),
        ("quarantined_quotes", refused()),
        ("forwards", forwards(n=1)[:0]),
    ):
        rows = conform(tables.table(name), frame)
        version = f"v{len(rows)}"
        digest = lake.write_dataset(name, "SPX", AS_OF, version, rows)
        assert lake.write_dataset(name, "SPX", AS_OF, version, rows[:1]) == digest
        later = lake.write_dataset(name, "SPX", AS_OF.replace(hour=21), version, rows[:1])
        assert (later == digest) == (len(rows) == 0)
        assert lake.read_dataset(name, "SPX", AS_OF, version, digest).equals(rows)
        with pytest.raises(LakeCorruptError, match="another sha256"):
            lake.read_dataset(name, "SPX", AS_OF, version, DIGEST)
        pd.testing.assert_frame_equal(lake.read_dataset(name, "SPX", AS_OF, version), rows)
    assert (
        "datasets/forwards/date=2024-01-02/symbol=SPX/20240102T200000000000Z-v3.parquet"
        in lake._objects.keys("datasets")
    )


def test_a_corrupt_dataset_is_named(lake):
    lake.write_dataset("forwards", "SPX", AS_OF, "v", conform(tables.table("forwards"), forwards()))
    corrupt(lake, "datasets/forwards/date=2024-01-02/symbol=SPX/20240102T200000000000Z-v.parquet", b"PAR1 no")
    with pytest.raises(LakeCorruptError, match=r"symbol=SPX/20240102T200000000000Z-v\.parquet"):
        lake.read_dataset("forwards", "SPX", AS_OF, "v")


def test_the_ledger_is_kept_in_the_order_in_which_it_became_known(lake):
    second = replace(ENTRY, publication_id=2, known_at=LATER.replace(microsecond=1), supersedes=1)
    first = replace(ENTRY, publication_id=9)
    assert [lake.append_ledger(each, {"forwards": DIGEST}) for each in (second, first, first)] == [
        True,
        True,
        False,
    ]
    assert list(lake.ledger()) == [first, second]
    assert [each.objects for each in lake.publications()] == [{"forwards": DIGEST}] * 2
    assert [lake.append_purge(LATER, [2, 7]) for _ in range(2)] == [True, False]
    assert list(lake.ledger()) == [first, replace(second, purged_at=LATER)]


@pytest.mark.parametrize(
    "symbol", ["../x", "A/B", "..%2f", "A\0", "A" * 300, "'; DROP", "АAPL", "", "spx", "SPX\n"]
)
def test_hostile_symbols_become_no_key(lake, symbol):
    with pytest.raises(ValueError, match="symbol"):
        lake.register(replace(MANIFEST, symbol=symbol))
    with pytest.raises(ValueError, match="symbol"):
        lake.manifests(symbol, date(2024, 1, 2))
    with pytest.raises(ValueError, match="symbol"):
        lake.read_dataset("forwards", symbol, AS_OF, "v")


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, DIGEST.upper(), DIGEST[:-1], f"{DIGEST}\n"])
def test_hostile_hashes_and_versions_become_no_key(lake, name):
    with pytest.raises(ValueError, match="sha256"):
        lake.read_raw(name)
    with pytest.raises(ValueError, match="sha256"):
        lake.register(replace(MANIFEST, sha256=name))
    with pytest.raises(ValueError, match="version"):
        lake.read_dataset("forwards", "SPX", AS_OF, f"{name}/../x")


def test_sixteen_writers_create_one_object(tmp_path):
    def write(barrier, answers, number):
        barrier.wait()
        answers.put(lake._objects.create("one/object", str(number).encode() * 100_000))

    lake = Lake(tmp_path.as_uri())
    fork = multiprocessing.get_context("fork")
    barrier, answers = fork.Barrier(16), fork.Queue()
    writers = [fork.Process(target=write, args=(barrier, answers, number)) for number in range(16)]
    for each in writers:
        each.start()
    assert sorted(answers.get(timeout=60) for _ in writers) == [False] * 15 + [True]
    for each in writers:
        each.join()
    content = lake._objects.read("one/object")
    assert content in {str(number).encode() * 100_000 for number in range(16)}
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["object"]
