"""Who asks, and what their role lets them do.

What belongs here: roles and the refusal of a command. What does not: how somebody proves who they are
(``app.api``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from periscope_assets.store.audit import DENIED, Act
from periscope_assets.store.people import People


class Role(IntEnum):
    """What somebody may do; each role may do what those before it may."""

    VIEWER = 1
    ANALYST = 2
    OPERATOR = 3
    ADMIN = 4

    @property
    def label(self) -> str:
        """Name as it is stored and sent."""
        return self.name.lower()


def role_of(label: str) -> Role:
    """Return the role of that name.

    Raises
    ------
    ValueError
        If there is none.
    """
    try:
        return Role[label.upper()]
    except KeyError:
        known = ", ".join(role.label for role in Role)
        raise ValueError(f"role {label[:40]!r}: expected one of {known}") from None


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody whose identity is settled.

    Attributes
    ----------
    name : str
        For the record: ``key:<id>``, ``token:<subject>``, or ``local``.
    role : Role
    scopes : frozenset of str
        What a key is limited to; empty for no limit but the role.
    """

    name: str
    role: Role
    scopes: frozenset[str] = frozenset()


LOCAL = Actor("local", Role.ADMIN)
"""Whoever sits at this machine: what listens on loopback only asks for no key."""


class DeniedError(PermissionError):
    """Somebody asked for what their role or scopes do not allow; it is in the audit log."""


def require(people: People, actor: Actor, role: Role, action: str, target: str) -> None:
    """Let pass who has the role.

    Raises
    ------
    DeniedError
        Otherwise, once that is in the audit log.
    """
    if actor.role >= role:
        return
    detail = {"role": actor.role.label, "required": role.label}
    people.write_down([Act(actor.name, action, target, DENIED, detail)])
    raise DeniedError(f"{action} takes the role {role.label} or above; this is {actor.role.label}")
