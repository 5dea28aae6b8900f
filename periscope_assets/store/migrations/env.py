"""Alembic's environment: runs on the connection of the caller, inside the caller's transaction."""

from __future__ import annotations

from alembic import context

from periscope_assets.store.migrate import CONTEXT_OPTIONS
from periscope_assets.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    **CONTEXT_OPTIONS,
)
context.run_migrations()
