"""The one automation condition: what has changed is carried through, what is merely old is left.

What belongs here: the condition and the sensor that evaluates it. What does not: which asset it holds for
(``definitions``).
"""

from __future__ import annotations

import dagster as dg

from periscope_assets.settings import Settings


def carry_through() -> dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]:
    """Return the condition of every asset that is made from others: rebuild what newer inputs have overtaken.

    True for a partition once an input of it was materialised by a run that did not also plan to build it, and
    until it is built or requested. A partition with a missing input waits, and so does one that is being
    built or whose input is. A new code version alone makes nothing true: history is shown as stale, and
    rebuilt when somebody asks for it (`periscope backfill`).
    """
    return (
        dg.AutomationCondition.any_deps_updated().since_last_handled()
        & ~dg.AutomationCondition.any_deps_missing()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    ).with_label("an input was updated: carry it through")


def carrier(settings: Settings) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that evaluates the condition."""
    enabled = settings.schedules.enabled
    return dg.AutomationConditionSensorDefinition(
        "carry_through",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if enabled else dg.DefaultSensorStatus.STOPPED,
        description="Carries a partition that was built by itself through to signals.",
    )
