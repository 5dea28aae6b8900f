"""The few writes that a person makes: append-only events, each with an entry in the audit log.

What belongs here: who may do what, and what an event means. What does not: SQL (``periscope_assets.store``),
HTTP, widgets. Everything takes the store of events and the :class:`Actor` who asks.
"""

from app.commands import alerts, keys, preferences, signals
from app.commands.actors import LOCAL, Actor, DeniedError, Role

__all__ = ["LOCAL", "Actor", "DeniedError", "Role", "alerts", "keys", "preferences", "signals"]
