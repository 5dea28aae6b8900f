"""Questions about the ledger whose cost hardly grows with its length.

What belongs here: queries that jump along the ledger's key. What does not: rows of datasets, the columns of
the ledger (``postgres`` fills them in).
"""

from __future__ import annotations

SYMBOLS = """
WITH RECURSIVE known(symbol) AS (
    (SELECT symbol FROM periscope.publications
     WHERE dataset = %(dataset)s AND {visible} ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT next.symbol FROM periscope.publications AS next
            WHERE dataset = %(dataset)s AND next.symbol > known.symbol AND {visible}
            ORDER BY next.symbol LIMIT 1)
    FROM known WHERE known.symbol IS NOT NULL
)
SELECT symbol FROM known WHERE symbol IS NOT NULL
"""
"""Symbols of a dataset, in order; one step of the index each."""

RECENT = """
SELECT head.* FROM unnest(%(symbols)s::text[]) AS wanted(symbol), LATERAL (
    SELECT * FROM (
        SELECT DISTINCT ON (as_of) {columns} FROM periscope.publications AS p
        WHERE dataset = %(dataset)s AND p.symbol = wanted.symbol AND {visible}
            AND status = ANY(%(deciding)s)
        ORDER BY as_of DESC, known_at DESC
    ) AS snapshot
    WHERE status = ANY(%(statuses)s) LIMIT %(limit)s
) AS head
ORDER BY symbol, as_of DESC
"""
"""The latest snapshots of each of several symbols."""

LATEST = """
WITH RECURSIVE pairs AS (
    (SELECT dataset, symbol FROM periscope.publications ORDER BY dataset, symbol LIMIT 1)
    UNION ALL
    SELECT following.dataset, following.symbol FROM pairs, LATERAL (
        SELECT dataset, symbol FROM periscope.publications
        WHERE (dataset, symbol) > (pairs.dataset, pairs.symbol) ORDER BY dataset, symbol LIMIT 1
    ) AS following
)
SELECT head.* FROM pairs, LATERAL (
    SELECT {columns} FROM periscope.publications
    WHERE dataset = pairs.dataset AND symbol = pairs.symbol AND {visible}
    ORDER BY as_of DESC, known_at DESC LIMIT 1
) AS head
ORDER BY head.dataset, head.symbol
"""
"""The last snapshot of each dataset and symbol, whatever its status."""

COUNTS = """
SELECT dataset, symbol, count(*) FROM (
    SELECT DISTINCT ON (dataset, symbol, as_of) dataset, symbol, status FROM periscope.publications
    WHERE (%(dataset)s::text IS NULL OR dataset = %(dataset)s) AND {visible} AND status = ANY(%(deciding)s)
    ORDER BY dataset, symbol, as_of, known_at DESC
) AS head
WHERE status = ANY(%(statuses)s) GROUP BY dataset, symbol
"""
"""How many snapshots are served; the one question here that reads the ledger through, though none of its
documents."""
