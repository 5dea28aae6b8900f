"""How the columns of data health are named, formatted and explained.

What belongs here: column settings. What does not: data.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

_column = st.column_config
_RUN = _column.LinkColumn(
    "Run", display_text="Dagster", help="The Dagster run that published it; empty where none did."
)
_TIME = "YYYY-MM-DD HH:mm"


def _count(label: str, note: str) -> Any:
    return _column.NumberColumn(label, format="%,d", help=note)


def _instant(label: str, note: str) -> Any:
    return _column.DatetimeColumn(label, format=_TIME, timezone="UTC", help=note)


ASSETS = {
    "dataset": _column.TextColumn("Dataset", pinned=True, help="The asset that makes it."),
    "symbol": _column.TextColumn("Symbol", pinned=True),
    "status": _column.TextColumn(
        "Status",
        help="stale: newer inputs are there. rejected: failed its criteria. withdrawn: taken out.",
    ),
    "why": _column.TextColumn("Why", width="medium"),
    "as_of": _instant("Market time (UTC)", "Of the snapshot that is served."),
    "age": _column.TextColumn("Age"),
    "published_at": _instant("Known since (UTC)", "When it became visible."),
    "latest_status": _column.TextColumn("Last try", help="Status of the last snapshot, served or not."),
    "version": _column.TextColumn("Version", width=110),
    "source": _column.TextColumn("Source"),
    "run": _RUN,
}
COMPLETENESS = {
    "symbol": _column.TextColumn("Symbol", pinned=True),
    "as_of": _instant("Market time (UTC)", "Of the chain."),
    "n_raw": _count("Raw rows", "Rows of the raw file: accepted and refused together."),
    "n_accepted": _count("Accepted", "Rows that became quotes."),
    "n_quarantined": _count("Refused", "Rows in quarantine, each with a reason."),
    "accepted_share": _column.ProgressColumn("Accepted %", format="%.1f", min_value=0, max_value=100),
    "completeness": _column.NumberColumn(
        "Of listed %",
        format="%.1f",
        help="Share of the vendor's own list of contracts that came.",
    ),
    "n_no_bid": _count("No bid", "Accepted quotes without a bid."),
    "n_no_ask": _count("No ask", "Accepted quotes without an ask."),
    "reasons": _column.TextColumn("Refused because", width="medium"),
    "source": _column.TextColumn("Source"),
    "run": _RUN,
}
REJECTED = {
    "raw_line": _count("Line", "Of the raw file, from 1."),
    "side": _column.TextColumn("Side"),
    "contract": _column.TextColumn("Contract", help="As the vendor wrote it."),
    "reason": _column.TextColumn("Reason"),
    "detail": _column.TextColumn("Detail", width="large"),
    "strike": _column.NumberColumn("Strike", format="%,.10g", help="USD"),
    "bid": _column.NumberColumn("Bid", format="%,.6g", help="In the chain's quote unit."),
    "ask": _column.NumberColumn("Ask", format="%,.6g", help="In the chain's quote unit."),
}
LINEAGE = {
    "input": _column.TextColumn("Input", pinned=True, width=230),
    "made_for": _column.TextColumn("Used by"),
    "symbol": _column.TextColumn("Symbol"),
    "version": _column.TextColumn("Version used", help="First characters."),
    "state": _column.TextColumn(
        "State",
        help="revised since: another version is served now. digest: a hash, no publication.",
    ),
    "as_of": _instant("Market time (UTC)", "Of the input."),
    "published_at": _instant("Known since (UTC)", "When it became visible."),
    "method_version": _column.TextColumn("Method", help="Version of code and settings.", width=90),
    "source": _column.TextColumn("Source"),
    "run": _RUN,
}
VENDOR = {
    "expiry_at": _instant("Expiry (UTC)", "Settlement instant."),
    "n_contracts": _count("Ours", "Out-of-the-money contracts that have a vol of ours."),
    "n_compared": _count("Compared", "Of these, contracts with a vendor's vol."),
    "n_without_vendor": _count("Vendor has none", "Absent, 0 or another sentinel."),
    "median_bps": _column.NumberColumn("Median bps", format="%+.1f", help="Vendor less ours, vol bps."),
    "median_absolute_bps": _column.NumberColumn("Median |bps|", format="%.1f", help="Of absolute values."),
    "p95_absolute_bps": _column.NumberColumn("95 % |bps|", format="%.1f", help="Of absolute values."),
    "inside": _column.ProgressColumn(
        "Inside our bid-ask %", format="%.0f", min_value=0, max_value=100,
        help="Vendor's vols that lie between the vols of our bid and ask.",
    ),
}  # fmt: skip
CONTRACTS = {
    "contract": _column.TextColumn("Contract"),
    "log_moneyness": _column.NumberColumn("k", format="%+.4f", help="ln(strike / forward)"),
    "mid_iv": _column.NumberColumn("Ours", format="%.4f", help="Mid vol, decimal."),
    "vendor_iv": _column.NumberColumn("Vendor's", format="%.4f", help="Decimal."),
    "difference_bps": _column.NumberColumn("Difference bps", format="%+.1f", help="Vendor less ours."),
    "is_inside": _column.CheckboxColumn("Inside our bid-ask"),
}

_INCIDENT = {
    "tier": _column.TextColumn(
        "Tier",
        help="page: at once, any hour. notify: outside quiet hours. digest: daily.",
        pinned=True,
    ),
    "title": _column.TextColumn("Incident", pinned=True),
    "what": _column.TextColumn("What", width="large"),
    "since": _instant("Since (UTC)", "When it began."),
}
OPEN = {
    **_INCIDENT,
    "state": _column.TextColumn("State"),
    "impact": _column.TextColumn("What it means", width="medium"),
    "acknowledged_by": _column.TextColumn("Taken care of by"),
    "acknowledged_until": _instant("Until (UTC)", "If it is open then, it is told again."),
    "note": _column.TextColumn("Note"),
}
RESOLVED = {**_INCIDENT, "resolved_at": _instant("Resolved (UTC)", "When it was over."), "note": OPEN["note"]}
