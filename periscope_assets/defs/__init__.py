"""Dagster definitions and nothing else: no SQL, no formulas, no vendor formats."""

import warnings

import dagster as dg

# Backfill policies and partitioned checks announce themselves as beta on every load; their version is locked.
warnings.filterwarnings("ignore", category=dg.BetaWarning, module="dagster")
warnings.filterwarnings("ignore", category=dg.PreviewWarning, module="dagster")
