"""History: stages read what was published before, signals are scored, and later garbage changes nothing."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from periscope_assets.pipeline import METHOD_VERSIONS, Pipeline, session_bounds
from periscope_assets.pipeline.backtest import as_served, reconstructed
from periscope_assets.settings import SourceSettings
from periscope_assets.sources.opening import open_source
from periscope_assets.store.lake import Lake
from periscope_assets.store.postgres import PostgresStore
from periscope_assets.store.repository import Draft
from periscope_assets.store.tables import DATASETS, content_columns, table

SYMBOL = "SIMN"
SESSIONS = [date(2026, 3, day) for day in (16, 17, 18, 19, 20, 23, 24)]
POISONED = 5
"""Sessions before this one are served; from it on, rows are replaced by garbage."""
POISON = ("option_quotes", "implied_vols", "vol_surface", "skew_metrics", "mispricing", "trade_signals")


class SteppedClock:
    """A clock that stands at an evening until it is told otherwise."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def history(new_home, tmp_path_factory):
    """Sessions published day by day, each in its own evening."""
    folder = tmp_path_factory.mktemp("history")
    settings = new_home(folder, "history")
    clock = SteppedClock()
    lake = Lake((folder / "lake").as_uri())
    with closing(PostgresStore(settings.database.url.get_secret_value(), clock=clock)) as store:
        pipeline = Pipeline(settings, store, lake, open_source(SourceSettings()))
        for session in SESSIONS:
            clock.now = session_bounds(session)[1] - timedelta(hours=1)
            for name in METHOD_VERSIONS:
                for outcome in pipeline.build(name, [SYMBOL], session, "run"):
                    assert outcome.outcome in ("published", "unchanged"), outcome
        yield store, settings, clock


def head(store, dataset, session, **known):
    start, end = session_bounds(session)
    return store.heads(dataset, SYMBOL, start=start, end=end, **known)[-1]


def rows(store, dataset, table, session):
    return store.rows(head(store, dataset, session), table)


def test_the_path_grows_by_a_session(history):
    store = history[0]
    for n, session in enumerate(SESSIONS[:4], start=1):
        fits = rows(store, "ou_fit", "ou_calibrations", session).set_index("series")
        assert fits.loc["atm_iv", "n_observations"] == n
        assert fits.loc["atm_iv", "status"] == "no_history"


def test_heston_starts_from_the_last_good_fit(history):
    store = history[0]
    first, second = (
        rows(store, "heston_fit", "heston_calibrations", session).iloc[0] for session in SESSIONS[:2]
    )
    assert not first["is_warm"]
    assert second["is_warm"]
    assert second["drift"] < 6.0
    assert {first["grade"], second["grade"]} <= {"a", "b"}


def test_a_contract_is_measured_against_its_own_past(history):
    store = history[0]
    bases = [set(rows(store, "mispricing", "mispricings", session)["z_basis"]) for session in SESSIONS]
    assert "history" not in bases[4]
    assert "history" in bases[5]


def test_signals_are_scored_as_served(history):
    store = history[0]
    first = rows(store, "signal_scorecard", "signal_scores", SESSIONS[0])
    assert first.empty
    last = rows(store, "signal_scorecard", "signal_scores", SESSIONS[-1])
    assert set(last["horizon_sessions"]) == {1, 5}
    assert set(last["basis"]) == {"as_served"}
    made = set(last.loc[last["horizon_sessions"] == 5, "signal_as_of"])
    assert made == {head(store, "trade_signals", SESSIONS[1]).as_of}


def test_a_backtest_scores_what_today_s_generators_make_of_the_past(history):
    store, settings, _ = history
    served = as_served(store, SYMBOL, SESSIONS[0], SESSIONS[-1])
    again = reconstructed(store, settings, SYMBOL, SESSIONS[0], SESSIONS[-1])
    assert set(again["basis"]) == {"reconstructed"}
    key = ["signal_id", "horizon_sessions"]
    both = served.merge(again, on=key, suffixes=("", "_again"))
    assert len(both) == len(served) == len(again)
    pd.testing.assert_series_equal(both["net_iv"], both["net_iv_again"], check_names=False, check_exact=True)


def test_garbage_after_a_session_changes_nothing_up_to_it(history):
    store, settings, clock = history
    known_at = head(store, "signal_scorecard", SESSIONS[POISONED - 1]).known_at
    last = SESSIONS[POISONED - 1]

    def reads():
        entries = [
            head(store, name, session, known_at=known_at)
            for name in ("option_quotes", "vol_surface", "heston_fit", "trade_signals")
            for session in SESSIONS[:POISONED]
        ]
        return entries, as_served(store, SYMBOL, SESSIONS[0], last, known_at), reconstructed(
            store, settings, SYMBOL, SESSIONS[0], last, known_at
        )  # fmt: skip

    before = reads()
    clock.now += timedelta(days=1)
    _poison(store, SESSIONS[POISONED:])
    after = reads()
    assert before[0] == after[0]
    for one, other in zip(before[1:], after[1:], strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert head(store, "vol_surface", SESSIONS[POISONED]).run_id == "garbage"


def _poison(store, sessions):
    """Publish nonsense for every dataset of some sessions, as if all later data were wrong."""
    for session in sessions:
        for name in POISON:
            entry = head(store, name, session)
            frames = {}
            for each in DATASETS[name]:
                frame = store.rows(entry, each)[[column.name for column in content_columns(table(each))]]
                floats = frame.select_dtypes("float64").columns.difference(
                    ["strike", "tau_years", "tenor_days"]
                )
                frames[each] = frame.assign(**dict.fromkeys(floats, -1000000000.0))
            draft = Draft(
                name, SYMBOL, entry.as_of, f"garbage-{session}", "0", {}, "published", "garbage", "garbage",
                frames, {},
            )  # fmt: skip
            assert store.publish([draft], store.fence())[0].outcome == "published"
