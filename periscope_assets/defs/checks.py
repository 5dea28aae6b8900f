"""Asset checks: they report what a transform decided, with threshold and value, partition by partition.

What belongs here: turning a rule over the figures of a publication into a Dagster check. What does not:
deciding what is published (``transforms``), the rules of a group (its ``checks`` module).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg
from dagster import AssetCheckEvaluation

from periscope_assets.defs.building import PipelineParam, members
from periscope_assets.defs.metadata import lines
from periscope_assets.defs.partitions import Partition, read_key
from periscope_assets.pipeline import FAILED, Pipeline, session_bounds
from periscope_assets.store.repository import NO_SESSION, PUBLISHED, REJECTED, LedgerEntry, Quality
from periscope_assets.transforms.rates import CURRENCY
from periscope_assets.transforms.rates import STAGE as RATE_CURVE

Evaluate = Callable[[dg.OpExecutionContext, Pipeline, Partition], dg.AssetCheckResult]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a publication passes, the value that was judged, and the threshold."""

    passed: bool
    value: float | None
    threshold: float


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over the quality figures of each publication of an asset.

    Attributes
    ----------
    asset, name, description : str
    judge : callable
        From quality figures to a verdict.
    severity : AssetCheckSeverity
    """

    asset: str
    name: str
    description: str
    judge: Callable[[Quality], Verdict]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR


def at_most(figure: str, threshold: float) -> Callable[[Quality], Verdict]:
    """Return a judge that passes a figure not above `threshold`; an absent figure does not pass."""

    def judge(quality: Quality) -> Verdict:
        value = quality.get(figure)
        known = float(value) if isinstance(value, int | float) else None
        return Verdict(known is not None and known <= threshold, known, threshold)

    return judge


def rule_check(rule: Rule, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    """Return a check that asks a rule about every publication of a partition."""

    def evaluate(
        context: dg.OpExecutionContext, pipeline: Pipeline, partition: Partition
    ) -> dg.AssetCheckResult:
        return _judge(rule, _publications(rule.asset, context.run, pipeline, partition))

    return _partitioned(rule.asset, rule.name, rule.description, partitions, evaluate)


def complete_check(asset: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    """Return a check that the partition's last materialisation built every symbol that it was asked for."""
    key = dg.AssetKey(asset)

    def evaluate(
        context: dg.OpExecutionContext, _pipeline: Pipeline, partition: Partition
    ) -> dg.AssetCheckResult:
        wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition.key])
        found = context.instance.fetch_materializations(wanted, limit=1).records
        made = found[0].asset_materialization if found else None
        kept = lines(made.metadata) if made else []
        errors = {line.symbol: line.error or "" for line in kept if line.outcome == FAILED}
        symbols = {line.symbol for line in kept}
        figures: dict[str, Any] = {"symbols": len(symbols), "failed": len(errors), "errors": errors}
        return dg.AssetCheckResult(passed=bool(kept) and not errors, metadata=figures)

    return _partitioned(
        asset, "complete", "Every symbol of the universe could be built.", partitions, evaluate
    )


def _partitioned(
    asset: str, name: str, description: str, partitions: dg.PartitionsDefinition[str], evaluate: Evaluate
) -> dg.AssetChecksDefinition:
    """Return a non-blocking check; of a range, Dagster records the whole and we log each partition."""

    @dg.asset_check(
        asset=asset, name=name, description=description, partitions_def=partitions, blocking=False
    )
    def check(context: dg.AssetCheckExecutionContext, pipeline: PipelineParam) -> dg.AssetCheckResult:
        op = context.op_execution_context
        results = {key: evaluate(op, pipeline, read_key(key)) for key in op.partition_keys}
        if len(results) == 1:
            return next(iter(results.values()))
        for key, result in results.items():
            op.log_event(cast("dg.ExpectationResult", _evaluation(asset, name, key, result)))
        return _overall(results)

    return check


def _publications(
    asset: str, run: dg.DagsterRun, pipeline: Pipeline, partition: Partition
) -> list[LedgerEntry]:
    start, end = session_bounds(partition.session)
    symbols = [CURRENCY] if asset == RATE_CURVE.name else members(run, pipeline, partition)
    statuses = (PUBLISHED, REJECTED, NO_SESSION)
    return [
        entry
        for symbol in symbols
        for entry in pipeline.store.heads(asset, symbol, start=start, end=end, statuses=statuses)
    ]


def _judge(rule: Rule, entries: list[LedgerEntry]) -> dg.AssetCheckResult:
    verdicts = {
        f"{entry.symbol} {entry.as_of:%Y-%m-%d %H:%M}": rule.judge(entry.quality)
        for entry in entries
        if entry.status != NO_SESSION
    }
    refused = {name: verdict.value for name, verdict in verdicts.items() if not verdict.passed}
    values = [verdict.value for verdict in verdicts.values() if verdict.value is not None]
    metadata: dict[str, Any] = {"judged": len(verdicts), "failed": len(refused), "refused": refused}
    if verdicts:
        metadata["threshold"] = next(iter(verdicts.values())).threshold
    if values:
        metadata["greatest"] = max(values)
    return dg.AssetCheckResult(
        passed=bool(entries) and not refused, metadata=metadata, severity=rule.severity
    )


def _evaluation(asset: str, name: str, key: str, result: dg.AssetCheckResult) -> AssetCheckEvaluation:
    return AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        partition=key,
    )


def _overall(results: Mapping[str, dg.AssetCheckResult]) -> dg.AssetCheckResult:
    refused = [key for key, result in results.items() if not result.passed]
    severities = {result.severity for key, result in results.items() if key in refused}
    worst = (
        dg.AssetCheckSeverity.WARN
        if severities == {dg.AssetCheckSeverity.WARN}
        else dg.AssetCheckSeverity.ERROR
    )
    metadata: dict[str, Any] = {"partitions": len(results), "failed": len(refused), "refused": refused}
    return dg.AssetCheckResult(passed=not refused, metadata=metadata, severity=worst)
