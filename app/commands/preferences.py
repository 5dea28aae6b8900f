"""What a person prefers: small values by name.

What belongs here: setting and reading them. What does not: which there are (the pages').
"""

from __future__ import annotations

import json
import re
from typing import Any

from app.commands.actors import Actor
from periscope_assets.store.audit import Act
from periscope_assets.store.people import People

MOST_CHARACTERS = 4000
_NAME = re.compile(r"[a-z][a-z0-9_.]{0,60}", re.ASCII)


def set(people: People, actor: Actor, name: str, value: object) -> None:  # noqa: A001
    """Remember a preference of the actor; None takes it back.

    Raises
    ------
    ValueError
        If the name is none, or the value is no JSON of at most 4,000 characters.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"preference {name[:40]!r}: expected a-z, 0-9, _ and ., starting with a letter")
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(f"preference {name}: expected a JSON value") from None
    if len(text) > MOST_CHARACTERS or "\\u0000" in text:
        raise ValueError(f"preference {name}: expected at most {MOST_CHARACTERS} characters of JSON text")
    people.set_preference(Act(actor.name, "preferences.set", name), name=name, value=value)


def read(people: People, actor: Actor) -> dict[str, Any]:
    """Return the preferences of the actor, by name."""
    return people.preferences(actor.name)
