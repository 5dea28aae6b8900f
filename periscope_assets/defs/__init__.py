"""Dagster definitions and nothing else: no SQL, no formulas, no vendor formats."""
