"""``periscope keys`` and ``periscope audit verify``, from the command line to a request that is let in."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from app.cli import app
from app.commands import keys
from app.terminal.output import UserError
from periscope_assets.store.people import People


@pytest.fixture
def periscope(store_url, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PERISCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERISCOPE_DATABASE__URL", store_url)
    (tmp_path / "home").mkdir()

    def run(*arguments: str) -> tuple[int, list[str]]:
        code = app(list(arguments), standalone_mode=False)
        return code or 0, capsys.readouterr().out.splitlines()

    return run


def test_a_key_from_its_making_to_its_end(periscope, store_url):
    code, lines = periscope(
        "keys", "create", "desk", "--role", "analyst", "--scopes", "read,signals", "--days", "7"
    )
    assert code == 0
    whole = lines[0]
    assert "shown this once" in lines[1]
    people = People(store_url)
    key, state = keys.recognise(people, whole, datetime.now(UTC))
    assert (key.name, key.role.label, key.scopes, state) == ("desk", "analyst", ("read", "signals"), "active")
    _, lines = periscope("keys", "list")
    assert lines[1].split()[:5] == [key.key_id, "desk", "analyst", "read,signals", "active"]
    assert whole.rsplit("_", 1)[1] not in "".join(lines)
    periscope("keys", "revoke", key.key_id)
    assert "revoked" in periscope("keys", "list")[1][1]
    assert keys.recognise(people, whole, datetime.now(UTC))[1] == "revoked"
    people.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "desk", "--role", "king"), "role 'king'"),
        (("create", "desk", "--scopes", "everything"), "scope 'everything'"),
        (("create", "a\nb"), "name:"),
        (("revoke", "nothing"), "no API key"),
    ],
)
def test_what_can_be_put_right_is_said(periscope, arguments, said):
    with pytest.raises(UserError, match=said):
        periscope("keys", *arguments)


def test_the_audit_log_is_verified_and_its_end_can_be_pinned(periscope, store_url):
    periscope("keys", "create", "one")
    code, lines = periscope("audit", "verify")
    assert code == 0
    digest = lines[-1].rsplit(" ", 1)[1]
    periscope("keys", "create", "two")
    assert periscope("audit", "verify", "--expect", digest)[0] == 0
    last = periscope("audit", "verify")[1][-1].rsplit(" ", 1)[1]
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM periscope.audit_log WHERE entry_id = 2")
    assert periscope("audit", "verify")[0] == 0
    code, lines = periscope("audit", "verify", "--expect", last)
    assert (code, "cut off" in lines[-1]) == (1, True)
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE periscope.audit_log SET actor = 'nobody'")
    code, lines = periscope("audit", "verify")
    assert (code, "tampered" in lines[-1]) == (1, True)
