"""What a materialisation shows of a surface: smile, residuals, certificate, counts of quotes.

What belongs here: choosing what to show, wrapping it for Dagster. What does not: drawing (``charts``),
figures (``transforms``).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence

import dagster as dg

from periscope_assets.charts.png import smile_png
from periscope_assets.pipeline import Outcome, Pipeline
from periscope_assets.store.repository import PUBLISHED, REJECTED, LedgerEntry
from periscope_assets.transforms.surfaces.served import fitted_rows
from periscope_assets.transforms.surfaces.slices import curve_of

_DAYS_DRAWN = 30.0
_MOST_SHOWN = 8


def surface_pictures(pipeline: Pipeline, outcomes: Sequence[Outcome]) -> dict[str, dg.MetadataValue]:
    """Return, for each of at most eight surfaces, its smile nearest to 30 days, certificate and counts."""
    found: dict[str, dg.MetadataValue] = {}
    built = [each for each in outcomes if each.receipt is not None and each.as_of is not None]
    last = {outcome.symbol: outcome for outcome in built}
    for symbol, outcome in list(last.items())[:_MOST_SHOWN]:
        heads = {
            name: pipeline.store.head(name, symbol, as_of=outcome.as_of, statuses=(PUBLISHED, REJECTED))
            for name in ("vol_surface", "implied_vols", "option_quotes")
        }
        surface = heads["vol_surface"]
        if surface is None:
            continue
        found[f"certificate {symbol}"] = dg.MetadataValue.md(_certificate(pipeline, surface))
        found[f"quotes {symbol}"] = dg.MetadataValue.md(_counts(surface, heads["option_quotes"]))
        if heads["implied_vols"] is not None:
            found |= _smile(pipeline, surface, heads["implied_vols"])
    return found


def _smile(pipeline: Pipeline, surface: LedgerEntry, vols: LedgerEntry) -> dict[str, dg.MetadataValue]:
    fitted = fitted_rows(pipeline.store.rows(surface, "surface_slices"))
    fitted = fitted[fitted["n_used"] > 0]
    if fitted.empty:
        return {}
    row = fitted.iloc[int((365.0 * fitted["tau_years"] - _DAYS_DRAWN).abs().argmin())]
    quotes = pipeline.store.rows(vols, "implied_vols")
    shown = quotes[(quotes["expiry_at"] == row["expiry_at"]) & quotes["is_otm"]]
    said = pipeline.store.rows(surface, "surface_quotes")[["contract", "surface_iv"]]
    title = f"{surface.symbol} {row['root']} {row['expiry']}, as of {surface.as_of:%Y-%m-%d %H:%M} UTC"
    drawn = smile_png(shown.merge(said, on="contract"), curve_of(fitted, row), title=title)
    text = f"![{title}](data:image/png;base64,{b64encode(drawn).decode()})"
    return {f"smile {surface.symbol}": dg.MetadataValue.md(text)}


def _certificate(pipeline: Pipeline, surface: LedgerEntry) -> str:
    row = pipeline.store.rows(surface, "surface_certificates").iloc[0]
    verdict = "free of static arbitrage" if row["is_free"] else "NOT free of static arbitrage"
    return (
        f"**{surface.status}**: {verdict} on {row['grid_n_k']} strikes x {row['grid_n_tau']} maturities; "
        f"butterfly {row['n_butterfly']}, calendar {row['n_calendar']}, least g {row['min_g']:.2e}, "
        f"integral of density off 1 by {row['mass_error']:.0e}, second mode {row['second_mode']:.1e}"
    )


def _counts(surface: LedgerEntry, quotes: LedgerEntry | None) -> str:
    """Return raw, accepted and used quotes and the reasons of the others, as a table."""
    rows: list[tuple[str, object]] = []
    if quotes is not None:
        rows += _named(quotes.quality, ("n_raw", "n_accepted", "n_quarantined"), "quarantined_")
    rows += _named(surface.quality, ("n_quotes", "n_used"), "n_refused_")
    share = surface.quality.get("inside_share")
    rows.append(("inside bid and ask", f"{100 * share:.3f} %" if isinstance(share, float) else "-"))
    lines = [f"| {name} | {count} |" for name, count in rows]
    return "\n".join(["| quotes | count |", "|---|---:|", *lines])


def _named(quality: Mapping[str, object], names: Sequence[str], prefix: str) -> list[tuple[str, object]]:
    reasons = sorted(name for name in quality if name.startswith(prefix) and name not in names)
    return [(name, quality[name]) for name in (*names, *reasons) if name in quality]
