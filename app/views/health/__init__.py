"""Health of the data: freshness, completeness, quarantine, lineage, vendors' vols, alerts."""
