"""Where published data rests: schema, ledger, PostgreSQL, lake, embedded server.

What belongs here: SQL and files. What does not: formulas, Dagster, vendor formats.
"""
