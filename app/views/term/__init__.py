"""Term structure and skew of one underlying: spot and forward vols, cones, skew and its past."""
