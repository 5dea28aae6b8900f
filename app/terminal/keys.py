"""``periscope keys`` and ``periscope audit``: API keys made, shown and revoked; the audit log checked.

What belongs here: what the person is told. What does not: what a key is (``app.commands.keys``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from app.terminal.output import ABSENT, UserError, columns, exactly, say, when, working
from app.terminal.reading import load_settings

if TYPE_CHECKING:
    from periscope_assets.store.people import People


@contextmanager
def _people() -> Iterator[People]:
    from app.services.database import database
    from periscope_assets.store.connect import open_people

    settings = load_settings()
    with database(settings), closing(open_people(settings)) as people:
        yield people


def create(name: str, role: str, scopes: str | None, days: int | None) -> None:
    """Make a key and print it, this once."""
    from app.commands import LOCAL, keys
    from app.commands.actors import role_of

    listed = [scope.strip() for scope in scopes.split(",")] if scopes else []
    until = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with _people() as people:
        try:
            key_id, whole = keys.create(
                people, LOCAL, name=name, role=role_of(role), scopes=listed, expires_at=until
            )
        except ValueError as error:
            raise UserError(str(error)) from None
    say(whole)
    said = "does not expire" if until is None else f"expires {when(until)}"
    say(f"Key {key_id}, role {role}, {said}. It is shown this once: keep it now. Send it as X-API-Key.")


def show() -> None:
    """Print all keys without their secrets."""
    from app.commands import LOCAL, keys

    now = datetime.now(UTC)
    with _people() as people:
        found = keys.list(people, LOCAL)
    rows = [
        (
            *(key.key_id, key.name, key.role.label, ",".join(key.scopes) or "all", key.state(now)),
            *(when(key.created_at), when(key.expires_at), when(key.last_used_at)),
        )
        for key in found
    ]
    heads = ("id", "name", "role", "scopes", "state", "created", "expires", "last used")
    for line in columns(heads, rows, left=heads):
        say(line)


def revoke(key_id: str) -> None:
    """Make a key worthless."""
    from app.commands import LOCAL, keys

    with _people() as people:
        try:
            keys.revoke(people, LOCAL, key_id)
        except LookupError as error:
            raise UserError(str(error)) from None
    say(f"Key {key_id} is revoked; a running API forgets it within seconds.")


def verify(expect: str | None) -> bool:
    """Follow the audit log's chain; return whether it holds."""
    with _people() as people, working("Following the audit log ..."):
        found = people.check_audit_log()
        last = people.audit_log(after=found.n_entries - 1, limit=1) if found.n_entries else []
    if found.fault is not None:
        say(f"The audit log was tampered with: {found.fault}; {found.n_entries} entries before hold.")
        return False
    if expect is not None and not _is_extended(expect):
        say(f"The chain holds, but digest {expect[:64]} is not in it: entries were cut off its end.")
        return False
    at = exactly(last[0].at) if last else ABSENT
    say(f"{found.n_entries} entries hold, the last of {at}; digest {found.digest}")
    return True


def _is_extended(digest: str) -> bool:
    """Tell whether a digest noted before still belongs to the chain."""
    with _people() as people:
        return people.has_audit_digest(digest)
