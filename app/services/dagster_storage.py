"""Dagster's storage in PostgreSQL with connections that are kept.

What belongs here: how Dagster's processes connect to their database. What does not: which database
(``dagster_home``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine

KEPT, MORE, RECYCLE_SECONDS = 4, 16, 3600
"""Connections that a process keeps, more of them at need, and how old one may become."""
STATEMENT_MILLISECONDS = 60_000


class PooledPostgresStorage(DagsterPostgresStorage):
    """Dagster's own, but that a connection serves more than one statement.

    Outside of its webserver Dagster opens one for each: password exchange and a new server process take
    more than half of the time of a run.
    """

    def __init__(self, postgres_url: str, **others: Any) -> None:
        super().__init__(postgres_url, **others)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = _engine(postgres_url)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Return the storage of what dagster.yaml holds."""
        return cls(config_value["postgres_url"], inst_data=inst_data)


@cache
def _engine(url: str) -> Any:
    """Return this process's engine of a database: Dagster makes instances at will and closes no engine."""
    engine = create_pg_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT,
        max_overflow=MORE,
        pool_recycle=RECYCLE_SECONDS,
        pool_pre_ping=True,
        connect_args={"options": f"-c statement_timeout={STATEMENT_MILLISECONDS}"},
    )
    os.register_at_fork(after_in_child=partial(engine.dispose, close=False))
    return engine
