"""A home with everything running, asked as Dagster's pages and the API's clients ask."""

from __future__ import annotations

import json
import urllib.request

import psycopg

from app.services import state
from app.services.processes import wait_until
from periscope_assets.store.embedded import EmbeddedServer
from tests.end_to_end.command_line import Periscope, finish

PATIENCE, STEP = 240.0, 0.5
"""Seconds: how long something may take, and how often it is asked for, which takes the services' time too."""
RUNS = "{ runsOrError { ... on Runs { results { id status tags { key value } } } } }"
BACKFILLS = (
    "{ partitionBackfillsOrError { ... on PartitionBackfills { results { id status numPartitions } } } }"
)
PUBLICATIONS = """
SELECT dataset, symbol, as_of, (as_of AT TIME ZONE 'America/New_York')::date
FROM periscope.publications WHERE symbol = ANY(%s)
"""
COUNT = "SELECT count(*) FROM periscope.publications WHERE symbol = ANY(%s)"


class Room:
    """A home with everything running."""

    def __init__(self, periscope: Periscope) -> None:
        self.periscope = periscope
        self.child = periscope.start("up")
        ports = periscope.settings
        self.dagster = f"http://127.0.0.1:{ports['PERISCOPE_PORTS__DAGSTER']}"
        self.api = f"http://127.0.0.1:{ports['PERISCOPE_PORTS__API']}"

    def wait_running(self) -> None:
        def running() -> bool:
            known = state.read_state(self.periscope.home)
            return known is not None and known.phase == state.RUNNING

        assert wait_until(running, PATIENCE), finish(self.child)

    def graphql(self, query: str) -> dict:
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(
            f"{self.dagster}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)["data"]

    def runs(self) -> list[dict]:
        return self.graphql(RUNS)["runsOrError"]["results"]

    def backfills(self) -> dict[str, str]:
        """Return the status of each backfill; `REQUESTED` until it has ended."""
        results = self.graphql(BACKFILLS)["partitionBackfillsOrError"]["results"]
        return {one["id"]: one["status"] for one in results}

    def publications(self, symbols: list[str]) -> list[tuple]:
        """Return dataset, symbol, time and New York's date of each publication."""
        return self._query(PUBLICATIONS, symbols)

    def published(self, symbols: list[str]) -> int:
        return self._query(COUNT, symbols)[0][0]

    def _query(self, query: str, symbols: list[str]) -> list[tuple]:
        with psycopg.connect(EmbeddedServer(self.periscope.home).url()) as connection:
            return connection.execute(query, (symbols,)).fetchall()

    def surface(self, symbol: str) -> dict | None:
        try:
            with urllib.request.urlopen(f"{self.api}/v1/surface/{symbol}", timeout=30) as reply:
                return json.load(reply)
        except OSError:
            return None
