"""Incidents, and telling people of them: decided, sent, confirmed.

What belongs here: what an incident is (``incidents``), the outbox (``outbox``), its words (``messages``) and
ways out (``channels``, ``heartbeat``). What does not: SQL (``store.alerts``), what Dagster knows
(``defs.watching``). State derives from events, so that nothing is lost with a process.
"""
