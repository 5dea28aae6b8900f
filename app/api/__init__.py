"""The REST API: HTTP in, ``app.queries`` behind, problem+json on failure. No SQL, no formulas."""
