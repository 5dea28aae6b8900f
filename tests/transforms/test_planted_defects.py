"""Rows with planted defects: all accounted for, the defects named, the clean rows left alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from periscope_assets.pipeline.boundary import judged
from periscope_assets.sources import files
from periscope_assets.transforms import chains, rules
from tests.transforms.planted import KINDS, plant


def test_there_are_at_least_thirty_kinds_and_every_rule_is_among_them():
    assert len({kind.name for kind in KINDS if not kind.flags}) >= 30
    assert {kind.expected for kind in KINDS if not kind.flags} == set(rules.REASONS)
    assert {kind.expected for kind in KINDS if kind.flags} <= set(rules.FLAGS)


@pytest.mark.parametrize("n", [50_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
def test_planted_defects_are_caught_and_clean_rows_are_kept(n):
    planted = plant(n)
    accepted, refused = _judged(planted)
    assert len(accepted) + len(refused) == planted.n_rows
    assert not set(accepted["raw_line"]) & set(refused["raw_line"])
    found = pd.concat([accepted.set_index("raw_line")["flags"], refused.set_index("raw_line")["reason"]])
    named = found.reindex(planted.labels["raw_line"]).fillna("").to_numpy(dtype=object)
    hits = [want in text.split("+") for want, text in zip(planted.labels["expected"], named, strict=True)]
    missed = planted.labels.assign(found=named)[~np.array(hits)]
    assert len(missed) <= 0.001 * len(planted.labels), missed.groupby(["kind", "found"]).size()
    wrong = planted.labels[planted.labels["expected"].isin(rules.REASONS)]["raw_line"]
    clean_refused = refused[~refused["raw_line"].isin(wrong)]
    assert len(clean_refused) <= 0.001 * (planted.n_rows - len(wrong)), clean_refused["reason"].value_counts()


CHILD = """
import resource, sys
from contextlib import closing
from pathlib import Path
from periscope_assets.pipeline import Pipeline, land
from periscope_assets.settings import Settings
from periscope_assets.sources.base import RawPayload
from periscope_assets.sources.layouts.generic import MAP
from periscope_assets.store.connect import open_lake, open_store
from tests.transforms.planted import COLUMN_MAP

file, home, url = sys.argv[1:]
settings = Settings(home=Path(home), database={"url": url})
lake = open_lake(settings)
payload = RawPayload("planted.csv", Path(file).read_bytes(), companions={MAP: COLUMN_MAP})
sessions = {(each.symbol, each.session) for each in land(lake, payload, "generic")}
del payload
with closing(open_store(settings)) as store:
    pipeline = Pipeline(settings, store, lake)
    made = [
        one
        for symbol, session in sorted(sessions)
        for name in ("raw_chain", "option_quotes")
        for one in pipeline.build(name, [symbol], session, "run")
    ]
assert not [one.error for one in made if one.error], [one.error for one in made if one.error][:3]
figures = [one.quality for one in made if one.dataset == "option_quotes"]
print(sum(q["n_accepted"] for q in figures), sum(q["n_quarantined"] for q in figures),
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.nightly
def test_a_million_rows_are_taken_in_within_a_gigabyte_and_a_half(store_url, tmp_path):
    planted = plant(1_000_000)
    file = tmp_path / "planted.csv"
    file.write_bytes(planted.payload.content)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, file, tmp_path / "home", store_url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    accepted, refused, peak_kib = map(int, done.stdout.split())
    assert accepted + refused == planted.n_rows
    assert peak_kib * 1024 <= 1.5e9


def _judged(planted):
    _, parsed = files.parse(planted.payload, "generic")
    results = [judged(chain, "XNYS", None) for chain in parsed]
    return (
        pd.concat([result.frames[name] for result in results], ignore_index=True)
        for name in (chains.ACCEPTED, chains.QUARANTINED)
    )
