"""Sensors: files that were dropped, universes that came or went.

What belongs here: from what has changed outside to run and partition requests, with a cursor and a bound on
work. What does not: reading files (``pipeline.dropped``), alerts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from hashlib import sha256

import dagster as dg

from periscope_assets.defs.building import SYMBOLS_TAG
from periscope_assets.defs.jobs import build_surfaces
from periscope_assets.defs.partitions import UNIVERSE, key_of, last_date, register
from periscope_assets.pipeline.dropped import Folder
from periscope_assets.settings import Settings
from periscope_assets.store.connect import open_lake
from periscope_assets.store.lake import RawManifest

FILES_PER_TICK = 20


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensors of a home."""
    return [_dropped_files(settings), _universes(settings)]


def _dropped_files(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="dropped_files",
        job=build_surfaces,
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "New chain files in the landing folder or bucket, by content: a renamed or copied file is no "
            "news, one that still grows waits. What can't be read is named in the tick, and tried again when "
            "it changes."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        folder = Folder(settings.landing_url, settings.landing.settle_seconds)
        look = folder.look(open_lake(settings), context.cursor, datetime.now(UTC), FILES_PER_TICK)
        outside = _outside(settings, look.landed)
        refused = {**look.refused, **{each.name: reason for each, reason in outside}}
        for name, reason in refused.items():
            context.log.error("%s: %s", name, reason)
        strange = [each for each, _ in outside]
        requests = run_requests(settings.reread(), [each for each in look.landed if each not in strange])
        register(context.instance, sorted({_universe_of(one) for one in requests}))
        said = "; ".join(f"refused {reason}" for reason in refused.values())
        more = f"{look.waiting} files wait" if look.waiting else "nothing new has landed"
        skip = None if requests else dg.SkipReason(said or more)
        return dg.SensorResult(run_requests=requests, skip_reason=skip, cursor=look.memory)

    return sensor


def _outside(settings: Settings, landed: Sequence[RawManifest]) -> list[tuple[RawManifest, str]]:
    """Return what landed of dates that are no partitions, and why: asking for one would fail every tick."""
    first, last = settings.first_date, last_date(settings)
    return [
        (each, f"{each.name}: {each.session} is not between {first} (PERISCOPE_FIRST_DATE) and {last}")
        for each in landed
        if not first <= each.session <= last
    ]


def run_requests(settings: Settings, landed: Sequence[RawManifest]) -> list[dg.RunRequest]:
    """Return a run for each universe and session that files hold something of.

    The run key names the content: files that were taken in before ask for nothing.
    """
    groups: dict[tuple[str, date], list[RawManifest]] = {}
    for manifest in landed:
        groups.setdefault((home_of(settings, manifest.symbol), manifest.session), []).append(manifest)
    requests = []
    for (universe, session), held in sorted(groups.items()):
        symbols = sorted({manifest.symbol for manifest in held})
        content = sha256(" ".join(sorted({manifest.sha256 for manifest in held})).encode()).hexdigest()[:16]
        requests.append(
            dg.RunRequest(
                run_key=f"dropped {session} {universe} {content}",
                partition_key=key_of(session, universe),
                tags={SYMBOLS_TAG: ",".join(symbols)},
            )
        )
    return requests


def home_of(settings: Settings, symbol: str) -> str:
    """Return the first configured universe that holds a symbol, or the symbol as a universe of itself."""
    return next((name for name, members in settings.universes.items() if symbol in members), symbol)


def _universe_of(request: dg.RunRequest) -> str:
    return str(request.partition_key).partition("|")[2]


def _universes(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="universes",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Universes that the settings file gained become partitions, those that it lost leave them; what "
            "was built of them stays. Symbols that were built by themselves are left alone."
        ),
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        named = set(settings.reread().universes)
        known = set(context.instance.get_dynamic_partitions(UNIVERSE))
        before = set(json.loads(context.cursor)) if context.cursor else set()
        added, gone = sorted(named - known), sorted((before - named) & known)
        definition = dg.DynamicPartitionsDefinition(name=UNIVERSE)
        requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
        if added:
            requests.append(definition.build_add_request(added))
        if gone:
            requests.append(definition.build_delete_request(gone))
        return dg.SensorResult(
            dynamic_partitions_requests=requests,
            skip_reason=None if requests else dg.SkipReason("No universe came or went."),
            cursor=json.dumps(sorted(named)),
        )

    return sensor
