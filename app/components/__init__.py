"""Widgets that several pages share. No queries."""
