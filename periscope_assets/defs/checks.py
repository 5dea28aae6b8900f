"""Asset checks: they report what a transform decided, with threshold and value, partition by partition.

What belongs here: turning a rule over the figures of a publication into a Dagster check. What does not:
deciding what is published (``transforms``), the rules of a group (its ``checks`` module).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, cast

import dagster as dg
from dagster import AssetCheckEvaluation

from periscope_assets.defs.building import PipelineParam, members
from periscope_assets.defs.metadata import lines
from periscope_assets.defs.partitions import Partition, read_key
from periscope_assets.pipeline import FAILED, Pipeline, session_bounds
from periscope_assets.sources.calendars import close_time, is_session
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


Judge = Callable[[Quality, Sequence[Quality]], Verdict]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over the quality figures of each publication of an asset.

    Attributes
    ----------
    asset, name, description : str
    judge : callable
        From quality figures, and those of earlier snapshots with the latest last, to a verdict.
    severity : AssetCheckSeverity
    history_days : int
        How far back earlier snapshots are looked at.
    """

    asset: str
    name: str
    description: str
    judge: Judge
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    history_days: int = 0


def at_most(figure: str, threshold: float, *, absent_passes: bool = False) -> Judge:
    """Return a judge that passes a figure whose size is not above `threshold`."""

    def judge(quality: Quality, _earlier: Sequence[Quality]) -> Verdict:
        value = number(quality, figure)
        if value is None:
            return Verdict(absent_passes, None, threshold)
        return Verdict(abs(value) <= threshold, value, threshold)

    return judge


def at_least(figure: str, threshold: float, *, absent_passes: bool = False) -> Judge:
    """Return a judge that passes a figure not below `threshold`."""

    def judge(quality: Quality, _earlier: Sequence[Quality]) -> Verdict:
        value = number(quality, figure)
        return Verdict(absent_passes if value is None else value >= threshold, value, threshold)

    return judge


def share(part: str, whole: str, threshold: float) -> Judge:
    """Return a judge that passes a share not above `threshold`; a share of nothing is 0."""

    def judge(quality: Quality, _earlier: Sequence[Quality]) -> Verdict:
        top, bottom = number(quality, part) or 0.0, number(quality, whole) or 0.0
        value = top / bottom if bottom else 0.0
        return Verdict(value <= threshold, value, threshold)

    return judge


def jump(figure: str, threshold: float) -> Judge:
    """Return a judge of the relative move of a figure since the snapshot before; the first one passes."""

    def judge(quality: Quality, earlier: Sequence[Quality]) -> Verdict:
        now, before = number(quality, figure), [number(each, figure) for each in earlier]
        known = [each for each in before if each]
        if now is None or not known:
            return Verdict(True, None, threshold)
        move = now / known[-1] - 1.0
        return Verdict(abs(move) <= threshold, move, threshold)

    return judge


def like_history(figure: str, factor: float, least: int = 3) -> Judge:
    """Return a judge of a figure against the median of earlier ones: neither is `factor` times the other."""

    def judge(quality: Quality, earlier: Sequence[Quality]) -> Verdict:
        now = number(quality, figure)
        before = [each for each in (number(one, figure) for one in earlier) if each]
        if now is None or len(before) < least:
            return Verdict(now is not None, None, factor)
        ratio = now / median(before)
        return Verdict(1.0 / factor <= ratio <= factor, ratio, factor)

    return judge


def number(quality: Quality, figure: str) -> float | None:
    """Return a quality figure as a number, None where it is absent or none."""
    value = quality.get(figure)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def rule_check(rule: Rule, partitions: dg.PartitionsDefinition[str]) -> dg.AssetChecksDefinition:
    """Return a check that asks a rule about every publication of a partition."""

    def evaluate(
        context: dg.OpExecutionContext, pipeline: Pipeline, partition: Partition
    ) -> dg.AssetCheckResult:
        entries = _publications(rule.asset, context.run, pipeline, partition)
        return _judge(rule, entries, lambda entry: _earlier(rule, pipeline, entry))

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


def fresh_check(
    asset: str, partitions: dg.PartitionsDefinition[str], most: timedelta
) -> dg.AssetChecksDefinition:
    """Return a check that the last snapshot of a session is from near its close, or near now before that."""

    def evaluate(
        context: dg.OpExecutionContext, pipeline: Pipeline, partition: Partition
    ) -> dg.AssetCheckResult:
        last: dict[str, datetime] = {}
        for entry in _publications(asset, context.run, pipeline, partition):
            if entry.status != NO_SESSION:
                last[entry.symbol] = max(entry.as_of, last.get(entry.symbol, entry.as_of))
        ages = {symbol: _age(pipeline, symbol, partition, as_of) for symbol, as_of in last.items()}
        refused = {symbol: age.total_seconds() for symbol, age in ages.items() if age > most}
        oldest = max((age.total_seconds() for age in ages.values()), default=0.0)
        return dg.AssetCheckResult(
            passed=not refused,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "judged": len(ages),
                "failed": len(refused),
                "refused": refused,
                "threshold": most.total_seconds(),
                "observed": oldest,
            },
        )

    minutes = int(most.total_seconds() // 60)
    said = f"The last snapshot is at most {minutes} minutes older than the close, or than now before it."
    return _partitioned(asset, "fresh", said, partitions, evaluate)


def _age(pipeline: Pipeline, symbol: str, partition: Partition, as_of: datetime) -> timedelta:
    calendar = pipeline.settings.calendar_of(symbol)
    if not is_session(calendar, partition.session):
        return timedelta(0)
    _, end = session_bounds(partition.session)
    close = min(close_time(calendar, partition.session), end)
    return max(min(close, datetime.now(UTC)) - as_of, timedelta(0))


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


def _earlier(rule: Rule, pipeline: Pipeline, entry: LedgerEntry) -> list[Quality]:
    """Return the figures of the snapshots before, as far back as a rule looks; the latest last."""
    if not rule.history_days:
        return []
    start = entry.as_of - timedelta(days=rule.history_days)
    found = pipeline.store.heads(rule.asset, entry.symbol, start=start, end=entry.as_of)
    return [each.quality for each in found]


def _judge(
    rule: Rule, entries: list[LedgerEntry], earlier: Callable[[LedgerEntry], list[Quality]]
) -> dg.AssetCheckResult:
    verdicts = {
        f"{entry.symbol} {entry.as_of:%Y-%m-%d %H:%M}": rule.judge(entry.quality, earlier(entry))
        for entry in entries
        if entry.status != NO_SESSION
    }
    refused = {name: verdict.value for name, verdict in verdicts.items() if not verdict.passed}
    values = [verdict.value for verdict in verdicts.values() if verdict.value is not None]
    metadata: dict[str, Any] = {"judged": len(verdicts), "failed": len(refused), "refused": refused}
    if verdicts:
        metadata["threshold"] = next(iter(verdicts.values())).threshold
    if values:
        metadata["observed"] = next(iter(refused.values()), None) if refused else max(values, key=abs)
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
