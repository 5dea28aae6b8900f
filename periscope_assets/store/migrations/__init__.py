"""How the schema of a store changes: one Alembic revision per change, applied by ``PostgresStore.migrate``.

What belongs here: Alembic's environment and its revisions. What does not: the tables (``tables``), data.
"""
