"""Routes, one module per subject: HTTP in, one query, HTTP out."""
