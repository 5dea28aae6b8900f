"""Composition root of Dagster: settings in, definitions out, and a way to materialise them in this process.

What belongs here: putting the parts together and the policy that holds for all assets. What does not:
anything that needs a database or network when it loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from periscope_analytics.conventions import check_symbol
from periscope_assets.defs import checks
from periscope_assets.defs.automation import carrier, carry_through
from periscope_assets.defs.building import SYMBOLS_TAG
from periscope_assets.defs.chains.assets import ASSETS as CHAINS
from periscope_assets.defs.chains.checks import RULES as CHAIN_RULES
from periscope_assets.defs.executors import executor
from periscope_assets.defs.jobs import BUILD_SURFACES, build_surfaces, fit_models, retain, snapshot_surfaces
from periscope_assets.defs.metadata import Line, column_lineage, column_schema, lines
from periscope_assets.defs.models.assets import ASSETS as MODELS
from periscope_assets.defs.models.checks import RULES as MODEL_RULES
from periscope_assets.defs.partitions import key_of, last_date, partitions, register
from periscope_assets.defs.reference.assets import ASSETS as REFERENCE
from periscope_assets.defs.resources import pipeline_resource
from periscope_assets.defs.schedules import schedules
from periscope_assets.defs.sensors import sensors
from periscope_assets.defs.signals.assets import ASSETS as SIGNALS
from periscope_assets.defs.signals.checks import RULES as SIGNAL_RULES
from periscope_assets.defs.surfaces.assets import ASSETS as SURFACES
from periscope_assets.defs.surfaces.checks import RULES as SURFACE_RULES
from periscope_assets.defs.watching import watchers
from periscope_assets.pipeline import FAILED, METHOD_VERSIONS
from periscope_assets.settings import Settings

_ASSETS = (*CHAINS, *REFERENCE, *SURFACES, *MODELS, *SIGNALS)
_RULES = (*CHAIN_RULES, *SURFACE_RULES, *MODEL_RULES, *SIGNAL_RULES)
_MOST_AGE = timedelta(minutes=60)
_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a materialisation did.

    Attributes
    ----------
    run_id : str
    success : bool
        Whether the run ended well; False where an asset could build nothing at all.
    lines : tuple of Line
        One for each dataset, symbol and snapshot.
    """

    run_id: str
    success: bool
    lines: tuple[Line, ...]

    @property
    def failures(self) -> tuple[Line, ...]:
        """Lines of what could not be built."""
        return tuple(line for line in self.lines if line.outcome == FAILED)


def build_definitions(settings: Settings, **overrides: object) -> dg.Definitions:
    """Return all definitions of a home.

    Parameters
    ----------
    settings : Settings
    **overrides
        Resources by name, in place of the configured ones; ``pipeline`` is the only one.
    """
    days = partitions(settings)
    assets = [_with_policy(asset, days, settings) for asset in _ASSETS]
    return dg.Definitions(
        assets=assets,
        asset_checks=[
            *(checks.complete_check(asset.key.to_user_string(), days) for asset in assets),
            *(checks.rule_check(rule, days) for rule in _RULES),
            checks.fresh_check("option_quotes", days, _MOST_AGE),
        ],
        jobs=[build_surfaces, snapshot_surfaces, fit_models, retain],
        schedules=schedules(settings),
        sensors=[*sensors(settings), *watchers(settings), carrier(settings)],
        resources={"pipeline": pipeline_resource(settings), **overrides},
        executor=executor(settings),
    )


def _with_policy(
    asset: dg.AssetsDefinition, days: dg.PartitionsDefinition[str], settings: Settings
) -> dg.AssetsDefinition:
    """Return an asset with what holds for all.

    That is: partitions, owner, code version, the meaning and origin of its columns, and for what is made from
    other assets the automation condition.
    """

    def policy(spec: dg.AssetSpec) -> dg.AssetSpec:
        name = spec.key.to_user_string()
        above = [dep.asset_key.to_user_string() for dep in spec.deps]
        return spec.replace_attributes(
            partitions_def=days,
            owners=[settings.owner],
            code_version=METHOD_VERSIONS[name],
            metadata={**spec.metadata, **column_schema(name), **column_lineage(name, above)},
            automation_condition=carry_through() if above else None,
        )

    mapped = asset.map_asset_specs(policy)
    batches = dg.BackfillPolicy.multi_run(max_partitions_per_run=settings.runs.batch_days)
    return dg.AssetsDefinition.dagster_internal_init(
        **{**mapped.get_attributes_dict(), "backfill_policy": batches}
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the home that the environment names."""
    return build_definitions(Settings())


def materialize(
    settings: Settings,
    instance: dg.DagsterInstance,
    universe: str,
    start: date,
    end: date,
    *,
    selection: Sequence[str] | None = None,
    symbols: Sequence[str] | None = None,
    **overrides: object,
) -> Summary:
    """Build a range of dates of one universe in this process, as one run, and wait for it.

    Parameters
    ----------
    settings : Settings
    instance : DagsterInstance
        Where runs and materialisations are recorded.
    universe : str
        Configured universe or bare symbol; registered as a partition key if it is new.
    start, end : date
        First and last session date, both included.
    selection : sequence of str, optional
        Assets to build; the whole graph by default.
    symbols : sequence of str, optional
        Build only these, instead of all members of the universe.
    **overrides
        As for :func:`build_definitions`.

    Raises
    ------
    ValueError
        If the universe, a symbol or a date is not valid, or an asset is unknown.
    """
    known = {asset.key.to_user_string() for asset in _ASSETS}
    for name in selection or ():
        if name not in known:
            raise ValueError(
                f"selection: no asset is called {name[:40]!r}; choose from {', '.join(sorted(known))}"
            )
    last = last_date(settings)
    if not settings.first_date <= start <= end <= last:
        raise ValueError(
            f"dates: expected {settings.first_date} <= start <= end <= {last}, got {start} to {end}"
        )
    chosen = [check_symbol(symbol) for symbol in symbols] if symbols else settings.members(universe)
    register(instance, [universe])
    job = build_definitions(settings, **overrides).resolve_job_def(BUILD_SURFACES)
    result = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(name) for name in selection] if selection else None,
        tags={
            _RANGE_START: str(key_of(start, universe)),
            _RANGE_END: str(key_of(end, universe)),
            SYMBOLS_TAG: ",".join(chosen),
        },
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    order = list(METHOD_VERSIONS)
    found = sorted(_lines(result), key=lambda line: (line.session, order.index(line.dataset), line.symbol))
    return Summary(result.run_id, result.success, tuple(found))


def _lines(result: dg.ExecuteInProcessResult) -> list[Line]:
    found = [
        line
        for event in result.get_asset_materialization_events()
        for line in lines(event.materialization.metadata)
    ]
    for event in result.get_step_failure_events():
        failure = event.step_failure_data.user_failure_data
        found += lines(failure.metadata) if failure else []
    return found
