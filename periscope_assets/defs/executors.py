"""What runs the steps of a run: this process, a process for each step, or celery workers.

What belongs here: the executor of the settings, and which steps go into a queue or machine of their own. What
does not: what launches runs (``infra``). Steps are sent as JSON; nothing pickled goes over a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import dagster as dg

from periscope_assets.settings import Settings

QUEUE_TAG, HEAVY_QUEUE = "dagster-celery/queue", "heavy"
BROKER_VARIABLE = "PERISCOPE_EXECUTOR__BROKER_URL"

HEAVY = frozenset({"heston_fit", "sabr_fit", "vol_surface"})
"""Assets whose steps compute for long: a queue of their own keeps the others moving."""

_ECS_HEAVY = MappingProxyType({"ecs/cpu": "4096", "ecs/memory": "8192"})
_ECS_LIGHT = MappingProxyType({"ecs/cpu": "1024", "ecs/memory": "2048"})

CELERY_JSON = MappingProxyType(
    {
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "task_acks_late": True,
    }
)
"""What executor and workers agree on, besides the broker; ``infra/celery.yaml`` says the same to workers."""


ECS_RUN = _ECS_HEAVY
"""Tags of a run that builds heavy assets too: on ECS a run is one task, sized by them."""


def op_tags(asset: str) -> Mapping[str, str]:
    """Return the tags of an asset's steps: their queue, and what they need of a machine."""
    if asset in HEAVY:
        return {QUEUE_TAG: HEAVY_QUEUE, **_ECS_HEAVY}
    return dict(_ECS_LIGHT)


def executor(settings: Settings) -> dg.ExecutorDefinition:
    """Return the executor of a home."""
    chosen = settings.executor
    if chosen.kind == "in_process":
        return dg.in_process_executor
    if chosen.kind == "multiprocess":
        return dg.multiprocess_executor.configured({"max_concurrent": chosen.max_concurrent})
    # Imported here because it takes a second that only this kind needs.
    from dagster_celery import celery_executor

    # The URL holds a password, and run config is shown: it is named here, not written.
    url = {"env": BROKER_VARIABLE}
    return celery_executor.configured(
        {"broker": url, "backend": url, "config_source": dict(CELERY_JSON)}, name="celery"
    )
