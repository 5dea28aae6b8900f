"""The ``periscope`` command.

What belongs here: commands, options and their help. What does not: what they do (``app.terminal``); that is
imported only when a command runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import click
import typer

from app.terminal.choices import FileFormat, View

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C or SIGTERM ended."""

app = typer.Typer(
    name="periscope",
    help="Open options-surface factory: option chains in; surfaces, fits and signals out, as served.",
    no_args_is_help=True,
    add_completion=False,
    suggest_commands=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _symbol(text: str) -> str:
    from periscope_analytics.conventions import check_symbol

    try:
        return check_symbol(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Symbol = Annotated[str, typer.Argument(help="Underlying, e.g. SPX.", callback=_symbol)]
AsOf = Annotated[str | None, typer.Option(help="Latest snapshot at or before this RFC 3339 time or date.")]
KnownAt = Annotated[str | None, typer.Option(help="Answer as it was known at this RFC 3339 time.")]
Json = Annotated[bool, typer.Option("--json", help="Print the body that the API would send.")]


@app.command()
def demo(
    exit_after: Annotated[bool, typer.Option("--exit", help="Build, print a summary and exit.")] = False,
    through: Annotated[str | None, typer.Option(help="Last session to simulate, YYYY-MM-DD.")] = None,
) -> None:
    """Build five sessions of a simulated market, then run Dagster, the app and the API."""
    from app.terminal import building

    building.demo(exit_after, through)


@app.command()
def up() -> None:
    """Run Dagster, the app and the API on what is stored; Ctrl-C stops them."""
    from app.terminal import serving

    serving.up()


@app.command()
def stop() -> None:
    """Stop the services and the embedded database of this home."""
    from app.terminal import serving

    serving.stop()


@app.command()
def materialize(
    date: Annotated[str, typer.Option(help="Session date, YYYY-MM-DD (New York).")],
    universe: Annotated[str, typer.Option(help="A configured universe, or a symbol.")],
    select: Annotated[
        str | None, typer.Option(help="Assets to build, separated by commas; default all.")
    ] = None,
) -> None:
    """Build the assets of one date and universe."""
    from app.terminal import building

    _finish(building.materialize(date, universe, select), 1)


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    layout: Annotated[
        str | None, typer.Option(help="Layout of the files; default: told by their content.")
    ] = None,
    universe: Annotated[
        str | None, typer.Option(help="Build them as this universe; default: each symbol.")
    ] = None,
    symbols: Annotated[str | None, typer.Option(help="Only these symbols, separated by commas.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="First session date, YYYY-MM-DD.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last session date, YYYY-MM-DD.")] = None,
    land_only: Annotated[
        bool, typer.Option("--land-only", help="Put the bytes in the lake and stop.")
    ] = False,
    column_map: Annotated[
        Path | None, typer.Option("--map", help="Column map (TOML or JSON) of the generic layout.")
    ] = None,
    withdraw: Annotated[
        bool,
        typer.Option(
            "--withdraw",
            help="Take these files back (named by path or sha256): what was current before is current again.",
        ),
    ] = False,
) -> None:
    """Take in files of option chains and build everything from them, or take them back."""
    from app.terminal import ingest as command
    from app.terminal.reading import load_settings

    settings = load_settings()
    asked = command.wanted(layout, universe, symbols, from_, to, column_map)
    act = command.withdraw if withdraw else command.ingest
    _finish(act(paths, asked, settings, land_only), 2)


@app.command()
def status(as_json: Json = False) -> None:
    """Show what is published, how fresh it is, and which services run."""
    from app.terminal import status as command

    command.status(as_json)


@app.command()
def show(
    view: Annotated[View, typer.Argument(help="What to show.")],
    symbol: Symbol,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    expiry: Annotated[str | None, typer.Option(help="Only this expiry of the chain, YYYY-MM-DD.")] = None,
    as_json: Json = False,
) -> None:
    """Show a chain, surface, skew, Heston fit or signals of a symbol."""
    from app.terminal.output import day

    only = None if expiry is None else day(expiry, "--expiry")
    from app.terminal import show as command

    command.show(view, symbol, as_of, known_at, only, as_json)


@app.command()
def export(
    dataset: Annotated[str, typer.Argument(help="Asset name, e.g. vol_surface.")],
    symbol: Symbol,
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="Format of the files.")
    ] = FileFormat.CSV,
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path(),
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> None:
    """Write the rows of a dataset as files, one for each of its tables."""
    from app.terminal import export as command

    command.export(dataset, symbol, file_format, output, as_of, known_at)


@app.command()
def backfill(
    universe: Annotated[str, typer.Option(help="A configured universe, or a symbol.")],
    from_: Annotated[str, typer.Option("--from", help="First date, YYYY-MM-DD.")],
    to: Annotated[str, typer.Option("--to", help="Last date, YYYY-MM-DD.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also dates that are there and of the current method.")
    ] = False,
    by_daemon: Annotated[
        bool, typer.Option("--daemon", help="Hand it to Dagster's daemon instead of waiting for it.")
    ] = False,
) -> None:
    """Build the dates of a universe that are missing or stale, in batches; run it again to go on."""
    from app.terminal import backfill as command

    if not command.backfill(from_, to, universe, everything=everything, by_daemon=by_daemon):
        raise typer.Exit(1)


@app.command()
def backtest(
    universe: Annotated[str, typer.Option(help="A configured universe, or a symbol.")],
    from_: Annotated[str, typer.Option("--from", help="First session of the signals, YYYY-MM-DD.")],
    to: Annotated[str, typer.Option("--to", help="Last session of the signals, YYYY-MM-DD.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print rows as JSON.")] = False,
) -> None:
    """Show how signals have fared: as served, and as today's generators make them of stored history."""
    from app.terminal import backtest as command

    command.backtest(from_, to, universe, as_json)


@app.command()
def replay() -> None:
    """Rebuild an empty database from the lake: the same versions, as known then."""
    from app.terminal import backup as command

    command.replay()


@app.command()
def backup(folder: Annotated[Path, typer.Argument(help="Folder to write; it must not exist.")]) -> None:
    """Write the databases of this home, Dagster's included, into a folder with checksums."""
    from app.terminal import backup as command

    command.backup(folder)


@app.command()
def restore(folder: Annotated[Path, typer.Argument(help="Folder that `periscope backup` wrote.")]) -> None:
    """Write a backup into a home, or database, that is empty."""
    from app.terminal import backup as command

    command.restore(folder)


@app.command()
def purge(
    older_than: Annotated[
        int | None, typer.Option(min=30, help="Days of quotes to keep; default: the retention setting.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Verify and say what would go.")] = False,
) -> None:
    """Drop old quotes whose raw bytes are verified in the lake; the ledger keeps their publications."""
    from app.terminal import purge as command

    command.purge(older_than, dry_run)


@app.command()
def mcp() -> None:
    """Serve agents over standard input and output (Model Context Protocol)."""
    from app.terminal import agents

    agents.mcp()


keys_app = typer.Typer(help="API keys.", no_args_is_help=True)
audit_app = typer.Typer(help="The audit log.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")
alerts_app = typer.Typer(help="Incidents: what is open, and what is done about it.", no_args_is_help=True)
app.add_typer(alerts_app, name="alerts")


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What or whom it is for.")],
    role: Annotated[str, typer.Option(help="viewer, analyst, operator or admin.")] = "viewer",
    scopes: Annotated[
        str | None, typer.Option(help="Limit it to these, separated by commas: read, compute, ...")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it expires.")] = None,
) -> None:
    """Make a key and print it, this once."""
    from app.terminal import keys as command

    command.create(name, role, scopes, days)


@keys_app.command("list")
def keys_list() -> None:
    """Show all keys without their secrets."""
    from app.terminal import keys as command

    command.show()


@keys_app.command("revoke")
def keys_revoke(key_id: Annotated[str, typer.Argument(help="Id of the key, as list shows it.")]) -> None:
    """Make a key worthless."""
    from app.terminal import keys as command

    command.revoke(key_id)


@audit_app.command("verify")
def audit_verify(
    expect: Annotated[str | None, typer.Option(help="Digest noted before: it must still be there.")] = None,
) -> None:
    """Follow the chain of the audit log; exit 1 if it does not hold."""
    from app.terminal import keys as command

    _finish(command.verify(expect), 1)


@alerts_app.command("list")
def alerts_list(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: Json = False,
) -> None:
    """Show what is open, most urgent first."""
    from app.terminal import alerts as command

    command.show(everything, as_json)


Incident = Annotated[str, typer.Argument(help="Incident, as list shows it.")]


@alerts_app.command("acknowledge")
def alerts_acknowledge(
    incident: Incident,
    hours: Annotated[float, typer.Option(min=0.01, max=720.0, help="For how long.")] = 8.0,
    note: Annotated[str | None, typer.Option(help="For whoever reads it.")] = None,
) -> None:
    """Say that somebody takes care of it; if it is open after that, it is told again."""
    from app.terminal import alerts as command

    command.acknowledge(incident, hours, note)


@alerts_app.command("resolve")
def alerts_resolve(
    incident: Incident, why: Annotated[str, typer.Option(help="What was done.")] = "closed by hand"
) -> None:
    """Say that it is over, where nothing tells by itself."""
    from app.terminal import alerts as command

    command.resolve(incident, why)


def _finish(fine: bool, code: int) -> None:
    if not fine:
        raise typer.Exit(code)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM. Not the bare class: Python may end by signal once it has seen that."""


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise Interrupted


def main() -> NoReturn:
    """Run the command line: every failure is one line on stderr and an exit code."""
    # Linear algebra here is small: threads of BLAS cost several times what they save. Set before numpy loads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            typer.echo(
                "periscope: interrupted; what was published stays, nothing is half-published", err=True
            )
    except click.ClickException as error:
        typer.echo(f"periscope: {error.format_message()} (periscope --help)", err=True)
        code = error.exit_code
    except Exception as error:
        from app.terminal.failures import explain

        code = explain(error)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
