"""Figures shared by Dagster's metadata and the app. What does not belong here: queries and widgets."""
