"""The lake, in a folder and in a bucket."""

from __future__ import annotations

import gzip
import multiprocessing
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from periscope_assets.store import objects, tables
from periscope_assets.store.frames import check, conform
from periscope_assets.store.lake import Lake, LakeCorruptError, RawManifest
from periscope_assets.store.objects import LakeUnavailableError
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
    assert lake._objects.read(key) == gzip.compress(b"payload", 6, mtime=0)


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
        of = tables.table(name)
        rows, columns, first = conform(of, frame), check(of, frame), check(of, frame[:1])
        version = f"v{len(rows)}"
        digest = lake.write_dataset(name, "SPX", AS_OF, version, columns)
        assert lake.write_dataset(name, "SPX", AS_OF, version, first) == digest
        later = lake.write_dataset(name, "SPX", AS_OF.replace(hour=21), version, first)
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
    lake.write_dataset("forwards", "SPX", AS_OF, "v", check(tables.table("forwards"), forwards()))
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


@pytest.mark.parametrize("lake", ["bucket"], indirect=True)
def test_large_objects_go_to_a_bucket_in_parts_and_only_once(lake, monkeypatch):
    parts, original = [], type(lake._objects._fs)._call_s3

    async def seen(self, method, *arguments, **named):
        parts.append(method)
        return await original(self, method, *arguments, **named)

    monkeypatch.setattr(type(lake._objects._fs), "_call_s3", seen)
    content = random.Random(0).randbytes(2 * objects.PART_BYTES + 1)
    assert lake._objects.create("large", content)
    assert parts.count("upload_part") == 3
    assert not lake._objects.create("large", content[::-1])
    assert lake._objects.read("large") == content
    assert lake._objects.keys("") == ["large"]


@pytest.mark.parametrize("lake", ["bucket"], indirect=True)
def test_one_of_sixteen_writers_of_one_object_of_a_bucket_creates_it(lake):
    def write(number):
        return lake._objects.create("one/object", str(number).encode() * 1000)

    with ThreadPoolExecutor(16) as pool:
        created = list(pool.map(write, range(16)))
    assert created.count(True) == 1
    assert lake._objects.read("one/object") == str(created.index(True)).encode() * 1000


@pytest.mark.parametrize("lake", ["bucket"], indirect=True)
def test_a_bucket_that_is_gone_is_not_an_empty_one(lake):
    gone = Lake("s3://never-made/x", **lake._objects._fs.storage_options)
    for ask in (
        gone.check,
        lambda: gone.sessions("SPX"),
        lambda: list(gone.ledger()),
        lambda: gone.land(b"x"),
    ):
        with pytest.raises(LakeUnavailableError, match=r"s3://never-made/x: .*make that bucket"):
            ask()


def test_no_credentials_name_their_variables(bucket, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(LakeUnavailableError, match="set AWS_ACCESS_KEY_ID"):
        Lake("s3://some/where", endpoint_url=bucket).check()


def test_a_lake_of_another_format_is_left_alone(lake):
    lake.check()
    lake._objects.replace("lake.json", b'{"format": 2}')
    with pytest.raises(LakeUnavailableError, match="has format 2, this periscope reads 1; use the version"):
        lake.check()


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LakeUnavailableError, match="it must be a folder"):
        Lake(str(tmp_path / "file")).check()
    lake = Lake(str(tmp_path / "lake"))
    lake.check()
    lake.check()
    assert lake._objects.read("lake.json") == b'{"format": 1}'
