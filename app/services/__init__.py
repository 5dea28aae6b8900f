"""The processes of one home: start, watch and stop Dagster, the app, the API and the embedded database.

What belongs here: process groups, lock and state file of a home, Dagster's instance folder. What does not:
what is printed (``app.terminal``) or computed (``periscope_assets``).
"""
