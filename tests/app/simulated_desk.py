"""Simulated sessions taken through every stage and published: what pages of models and history need."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from periscope_analytics.conventions import NEW_YORK
from periscope_assets.settings import SourceSettings
from periscope_assets.sources.bars import load_bars
from periscope_assets.store.repository import Draft
from periscope_assets.transforms import chains
from periscope_assets.transforms.flow import STAGES
from tests.app.market import version_of
from tests.transforms.simulated_chain import Chain, simulated

SYMBOL = "SIMX"
SESSIONS = (date(2026, 3, 18), date(2026, 3, 19), date(2026, 3, 20))
DATASETS = (
    *("option_quotes", "forward_curve", "implied_vols", "vol_surface", "surface_grid", "skew_metrics"),
    *("heston_fit", "model_bands", "mispricing"),
)


@cache
def chain(session: date = SESSIONS[-1]) -> Chain:
    """The simulated chain of a session; its stages are computed once."""
    return simulated(SYMBOL, session)[0]


@cache
def bars(session: date):
    """A year of daily bars before a session."""
    before = session - timedelta(days=1)
    return load_bars(SourceSettings(), SYMBOL, session - timedelta(days=365), before)


def drafts(
    session: date = SESSIONS[-1], *, revision: str = "1", only: tuple[str, ...] = DATASETS
) -> list[Draft]:
    """Drafts of every dataset of a session, or of some."""
    made = chain(session)
    found = [_draft(made, name, revision) for name in only]
    if only != DATASETS:
        return found
    start = made.as_of.astimezone(NEW_YORK).replace(hour=0, minute=0)
    daily = {"underlying_bars": bars(session)}
    return [*found, _drafted("underlying_bars", start, revision, {}, daily, {})]


def _draft(made: Chain, name: str, revision: str) -> Draft:
    result = made.result(name)
    used = () if name == chains.NAME else STAGES[name].inputs
    inputs = {
        each.dataset: version_of(each.dataset, SYMBOL, made.as_of, revision)
        for each in used
        if each.dataset in DATASETS and not (each.optional or each.history_days)
    }
    return _drafted(name, made.as_of, revision, inputs, result.frames, result.quality)


def _drafted(name, as_of, revision, inputs, frames, quality) -> Draft:
    return Draft(
        dataset=name,
        symbol=SYMBOL,
        as_of=as_of,
        version=version_of(name, SYMBOL, as_of, revision),
        method_version="1",
        inputs=inputs,
        status="published",
        source="simulated",
        run_id="run-1",
        frames=frames,
        quality=quality,
    )


def publish(store, *args, **kwargs) -> None:
    """Publish the drafts of a session."""
    receipts = store.publish(drafts(*args, **kwargs), store.fence())
    assert {receipt.outcome for receipt in receipts} == {"published"}
