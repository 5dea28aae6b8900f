"""What runs the steps of a run: this process, a process for each step, or celery workers.

What belongs here: the executor of the settings, and which steps go into a queue or machine of their own. What
does not: what launches runs (``infra``). Steps are sent as JSON; nothing pickled goes over a network.
"""

from __future__ import annotations

from types import MappingProxyType

import dagster as dg

from periscope_assets.settings import Settings

QUEUE_TAG, HEAVY_QUEUE = "dagster-celery/queue", "heavy"
BROKER_VARIABLE = "PERISCOPE_EXECUTOR__BROKER_URL"

ECS_RUN = MappingProxyType({"ecs/cpu": "4096", "ecs/memory": "8192"})
"""Tags of a run that builds heavy assets too: on ECS a run is one task, sized by them."""

HEAVY_TAGS = MappingProxyType({QUEUE_TAG: HEAVY_QUEUE, **ECS_RUN})
"""Tags of steps that compute for long: a queue of their own keeps the others moving."""

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
