"""``periscope up``, ``demo`` and ``stop``: the services of a home, from a terminal's point of view.

What belongs here: what is started in which order and what the person is told. What does not: processes
(``app.services``), what the demo builds (``building``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.services import state
from app.services.processes import wait_until
from app.services.state import AlreadyRunningError, HomeState, supervisor_lock
from app.terminal.output import UserError, say
from app.terminal.reading import load_settings
from periscope_assets.settings import Settings

if TYPE_CHECKING:
    from app.services.supervisor import Supervisor

_NEXT = """
What to look at next:
  app      surfaces, smiles with bid and ask, as-served history   {app}
  Dagster  the asset graph, partitions, checks, metadata          {dagster}/asset-groups
  API      the same numbers as JSON                               {api}/v1/underlyings
  here     periscope status; periscope show surface {symbol}
Ctrl-C stops everything; so does `periscope stop` from another terminal."""


def up() -> None:
    """Run the services on what is stored, until told to stop."""
    serve(load_settings(), lambda _settings: None)


def serve(settings: Settings, fill: Callable[[Settings], None]) -> None:
    """Run `fill`, then the services, until told to stop; with services running already, print where.

    Raises
    ------
    UserError
        If a port is taken, or a service fails.
    """
    try:
        with supervisor_lock(settings.home):
            _serve_locked(settings, fill)
    except AlreadyRunningError:
        _print_running(settings)


def _serve_locked(settings: Settings, fill: Callable[[Settings], None]) -> None:
    from app.services import dagster_home
    from app.services.database import database
    from app.services.stopping import stop_leftovers
    from app.services.supervisor import Supervisor

    stop_leftovers(settings.home)
    supervisor = Supervisor(settings)
    with _explained():
        supervisor.check_ports()
    supervisor.record(state.MATERIALISING)
    try:
        with database(settings), _explained():
            fill(settings)
            variables = dagster_home.prepare(settings)
            with supervisor.signals():
                _run(supervisor, settings, variables)
    finally:
        state.clear_state(settings.home)


def _run(supervisor: Supervisor, settings: Settings, variables: dict[str, str]) -> None:
    say("Starting services ...")
    try:
        if supervisor.start(variables, say):
            say(_next_steps(settings))
            supervisor.watch(say)
        say("Stopping ...")
    finally:
        supervisor.stop()


@contextmanager
def _explained() -> Iterator[None]:
    from app.services.supervisor import PortBusyError, ServiceFailedError

    try:
        yield
    except (PortBusyError, ServiceFailedError) as error:
        raise UserError(str(error)) from None


def _next_steps(settings: Settings) -> str:
    ports = settings.ports
    addresses = {
        name: f"http://127.0.0.1:{port}"
        for name, port in (("app", ports.app), ("dagster", ports.dagster), ("api", ports.api))
    }
    symbol = next(iter(settings.universes.values()))[0]
    return _NEXT.format(symbol=symbol, **addresses)


def _print_running(settings: Settings) -> None:
    def recorded() -> bool:
        found = state.read_state(settings.home)
        return found is not None and found.live

    if not wait_until(recorded, 5.0):
        raise UserError(
            f"another periscope is just starting or stopping in {settings.home}: try again in a moment"
        )
    running = state.read_state(settings.home)
    if running is not None:
        _print_state(settings, running)


def _print_state(settings: Settings, running: HomeState) -> None:
    say(f"Already {running.phase} in {settings.home} (process {running.supervisor.pid}):")
    for one in running.services:
        if one.address is not None:
            say(f"  {one.name:<18} {one.address}")
    say("`periscope stop` stops it.")


def stop() -> None:
    """Stop the services and the embedded database of this home."""
    from app.services.database import stop_database
    from app.services.stopping import stop_services

    settings = load_settings()
    stopped = stop_services(settings.home)
    if settings.database.url is None and stop_database(settings):
        stopped.append("database")
    say(f"Stopped {', '.join(stopped)}." if stopped else f"Nothing is running in {settings.home}.")
