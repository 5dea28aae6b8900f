"""The vendor's implied vols beside ours.

What belongs here: the comparison of published columns. What does not: how vols are computed.
"""

from __future__ import annotations

import pandas as pd

from app.queries.answer import Answer
from app.queries.core import Queries
from app.queries.errors import NotPublishedError
from app.queries.locate import QUOTES
from app.queries.strategy import beside
from app.queries.times import TimeLike
from periscope_assets.transforms.surfaces.vols import VENDOR_SENTINEL

VOLS = "implied_vols"
_CONTRACT = ["contract", "expiry_at", "strike", "is_call", "log_moneyness", "mid_iv", "bid_iv", "ask_iv"]


def reconciliation(
    queries: Queries,
    symbol: str,
    *,
    as_of: TimeLike = None,
    known_at: TimeLike = None,
    version: str | None = None,
) -> Answer:
    """Return the vendor's vols less ours, for out-of-the-money contracts that have both.

    Returns
    -------
    Answer
        Of the version of ``implied_vols``. Frame ``contracts``: vendor_iv, `difference_bps` (vendor less mid)
        and `is_inside` (between our bid and ask vols). Frame ``expiries``: counts, median, median and 95 %
        point of the absolute difference, share inside. Vendors' 0 and other sentinels count as none.

    Raises
    ------
    NotPublishedError
        If the snapshot's quotes are not there.
    """
    found = queries.locate(VOLS, symbol, as_of=as_of, known_at=known_at, version=version)
    entry, quotes = found.entry, beside(queries, found, QUOTES)
    if quotes is None:
        raise NotPublishedError(QUOTES, symbol, "quotes of this snapshot are not there", "Choose another.")
    vols = queries.rows(entry, VOLS)
    vols = vols[vols["is_otm"] & vols["mid_iv"].notna()][_CONTRACT]
    given = queries.rows(quotes, "options_snapshots").set_index("contract")["vendor_iv"]
    vendor = vols["contract"].map(given).astype("float64")
    rows = vols.assign(vendor_iv=vendor.where(vendor > VENDOR_SENTINEL))
    rows = rows.assign(
        difference_bps=1e4 * (rows["vendor_iv"] - rows["mid_iv"]),
        is_inside=rows["vendor_iv"].between(rows["bid_iv"], rows["ask_iv"]),
    )
    compared = rows[rows["vendor_iv"].notna()].reset_index(drop=True)
    return Answer(
        dataset="vendor_reconciliation",
        symbol=symbol,
        as_of=entry.as_of,
        known_at=found.known_at,
        published_at=entry.known_at,
        version=entry.version,
        status=found.status,
        source=entry.source,
        run_id=entry.run_id,
        quality={"n_contracts": len(rows), "n_compared": len(compared)},
        frames={"contracts": compared, "expiries": _by_expiry(rows)},
        parts={VOLS: entry.version, QUOTES: quotes.version},
        warnings=found.warnings,
    )


def _by_expiry(rows: pd.DataFrame) -> pd.DataFrame:
    inside = rows["is_inside"].where(rows["vendor_iv"].notna()).astype("float64")
    groups = rows.assign(absolute=rows["difference_bps"].abs(), inside=inside).groupby("expiry_at", sort=True)
    apart = groups["absolute"]
    compared = apart.count()
    found = pd.DataFrame(
        {
            "n_contracts": groups.size(),
            "n_compared": compared,
            "n_without_vendor": groups.size() - compared,
            "median_bps": groups["difference_bps"].median(),
            "median_absolute_bps": apart.median(),
            "p95_absolute_bps": apart.quantile(0.95),
            "inside_share": groups["inside"].mean(),
        }
    )
    return found.reset_index()
