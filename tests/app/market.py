"""A small market to publish: six expiries of SPX, AM and PM settled, from a surface free of arbitrage.

Vols come from SSVI (Gatheral and Jacquier 2014, eq. 4.1) as raw SVI slices, evaluated here by the formula.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pandas as pd

from periscope_analytics import black
from periscope_analytics.conventions import settlement_time
from periscope_assets.store.repository import Draft
from periscope_assets.transforms.stage import Snapshot
from periscope_assets.transforms.surfaces.slices import STAGE as VOL_SURFACE

AS_OF = datetime(2026, 1, 2, 21, 0, tzinfo=UTC)
EXPIRIES = (
    (date(2026, 1, 9), "SPXW", "pm"),
    (date(2026, 1, 16), "SPX", "am"),
    (date(2026, 1, 16), "SPXW", "pm"),
    (date(2026, 2, 20), "SPX", "am"),
    (date(2026, 6, 18), "SPX", "am"),
    (date(2026, 12, 18), "SPX", "am"),
)
INPUTS = {
    "implied_vols": ("option_quotes", "forward_curve"),
    "forward_curve": ("option_quotes",),
    "vol_surface": ("implied_vols",),
    "skew_metrics": ("vol_surface",),
}
RATE = 0.04
RHO, ETA = -0.65, 1.0


def svi(tau: float, level: float) -> dict[str, float]:
    """Raw SVI parameters of the slice of an SSVI surface."""
    theta = level**2 * tau
    phi = ETA / np.sqrt(theta)
    root = np.sqrt(1.0 - RHO**2)
    return {"a": theta / 2 * root**2, "b": theta * phi / 2, "rho": RHO, "m": -RHO / phi, "sigma": root / phi}


def vol(params: dict[str, float], k: np.ndarray, tau: float) -> np.ndarray:
    """Raw SVI, eq. 3.1 of Gatheral and Jacquier (2014)."""
    x = k - params["m"]
    w = params["a"] + params["b"] * (params["rho"] * x + np.sqrt(x**2 + params["sigma"] ** 2))
    return np.sqrt(w / tau)


@cache
def frames(
    as_of: datetime = AS_OF, spot: float = 6850.0, level: float = 0.16
) -> dict[str, dict[str, pd.DataFrame]]:
    """Rows of every dataset of one snapshot, by dataset and table."""
    slices = pd.DataFrame([_slice(*expiry, as_of, spot, level) for expiry in EXPIRIES])
    both = [_contracts(row) for row in slices.to_dict("records")]
    merged = pd.concat(both, ignore_index=True)
    quotes, refused = _quotes(merged, spot)
    vols, forwards = _vols(merged[merged["contract"].isin(quotes["contract"])]), _forwards(slices)
    return {
        "option_quotes": {"options_snapshots": quotes, "quarantined_quotes": refused},
        "forward_curve": {"forwards": forwards},
        "implied_vols": {"implied_vols": vols},
        "vol_surface": _surface(vols, forwards, as_of) | {"svi_slices": slices},
        "skew_metrics": {"skew_metrics": _skew(slices), "positioning": _positioning(slices)},
    }


def _surface(vols: pd.DataFrame, forwards: pd.DataFrame, as_of: datetime) -> dict[str, pd.DataFrame]:
    """The served surface of these vols."""
    inputs = {"implied_vols": {"implied_vols": vols}, "forward_curve": {"forwards": forwards}}
    return dict(VOL_SURFACE.compute(Snapshot("SPX", as_of, inputs)).frames)


def _slice(
    expiry: date, root: str, clock: str, as_of: datetime, spot: float, level: float
) -> dict[str, object]:
    moment = settlement_time(expiry, clock)
    tau = (moment - as_of).total_seconds() / (365 * 86400)
    term = level * (0.9 + 0.25 * np.sqrt(tau))
    params = svi(tau, term)
    spread = term * np.sqrt(tau)
    return {
        "expiry_at": moment,
        "expiry": expiry,
        "root": root,
        "tau_years": tau,
        "forward": spot * np.exp(0.027 * tau),
        "discount": np.exp(-RATE * tau),
        **params,
        "atm_iv": float(vol(params, np.zeros(1), tau)[0]),
        "rmse_bps": 18.0 + 100 * tau,
        "max_error_bps": 95.0,
        "inside_share": 0.81,
        "min_g": 0.35,
        "k_min": -4.5 * spread,
        "k_max": 2.5 * spread,
        "n_quotes": 120,
        "n_used": 118,
        "status": "ok",
    }


def _contracts(row: dict[str, object]) -> pd.DataFrame:
    forward, tau, discount = float(row["forward"]), float(row["tau_years"]), float(row["discount"])
    low, high = forward * np.exp(float(row["k_min"])), forward * np.exp(float(row["k_max"]))
    strikes = np.arange(np.ceil(low / 25), np.floor(high / 25) + 1) * 25.0
    parts = []
    for is_call in (True, False):
        k = np.log(strikes / forward)
        sigma = vol(row, k, tau)
        greeks = black.greeks(forward, strikes, tau, sigma, is_call, discount)
        kind = "C" if is_call else "P"
        stem = f"{row['root']}{row['expiry']:%y%m%d}{kind}"
        half = 0.05 + 0.0015 * np.asarray(greeks.price)
        parts.append(
            pd.DataFrame(
                {
                    "contract": [f"{stem}{round(1000 * strike):08d}" for strike in strikes],
                    "expiry_at": row["expiry_at"],
                    "strike": strikes,
                    "is_call": is_call,
                    "expiry": row["expiry"],
                    "root": row["root"],
                    "tau_years": tau,
                    "forward": forward,
                    "k": k,
                    "sigma": sigma,
                    "price": greeks.price,
                    "bid": np.floor(20 * np.maximum(greeks.price - half, 0)) / 20,
                    "ask": np.ceil(20 * (greeks.price + half)) / 20,
                    "half_iv": np.minimum(half / np.maximum(greeks.vega, 1e-9), 0.03),
                    **{
                        name: getattr(greeks, name)
                        for name in ("gamma", "vega", "theta", "rho", "vanna", "volga")
                    },
                    "delta": np.asarray(greeks.delta) / discount,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _quotes(merged: pd.DataFrame, spot: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    n = len(merged)
    quotes = merged[["contract", "expiry_at", "strike", "is_call", "expiry", "root", "bid", "ask"]].assign(
        settlement=[clock_of(root) for root in merged["root"]],
        style="european",
        quote_unit="usd",
        bid_size=10.0,
        ask_size=12.0,
        last=np.nan,
        volume=0.0,
        open_interest=100.0,
        vendor_iv=np.nan,
        vendor_delta=np.nan,
        vendor_mark=np.nan,
        underlying_price=spot,
        multiplier=100.0,
        quoted_at=pd.DatetimeIndex([pd.NaT] * n, tz="UTC"),
        flags=None,
        raw_line=np.arange(2, n + 2),
    )
    crossed = quotes["raw_line"] % 41 == 0
    return quotes[~crossed].reset_index(drop=True), _refused(quotes[crossed])


def clock_of(root: str) -> str:
    """Settlement clock of a root."""
    return "pm" if root == "SPXW" else "am"


def _refused(rows: pd.DataFrame) -> pd.DataFrame:
    records = [
        {
            **{name: row[name] for name in ("contract", "root", "settlement", "is_call", "strike")},
            "expiry": row["expiry"].isoformat(),
            "bid": row["ask"] + 1.0,
            "ask": row["ask"],
        }
        for row in rows.to_dict("records")
    ]
    return pd.DataFrame(
        {
            "raw_line": rows["raw_line"].to_numpy(),
            "side": np.where(rows["is_call"], "call", "put"),
            "contract": rows["contract"].to_numpy(),
            "reason": "crossed",
            "rule_version": 1,
            "detail": [f"bid {record['bid']:g} above ask {record['ask']:g}" for record in records],
            "record": records,
        }
    )


def _vols(merged: pd.DataFrame) -> pd.DataFrame:
    no_bid = merged["bid"].to_numpy() <= 0
    half = merged["half_iv"].to_numpy()
    sigma = merged["sigma"].to_numpy()
    return merged[["contract", "expiry_at", "strike", "is_call", "tau_years", "forward"]].assign(
        log_moneyness=merged["k"],
        bid_iv=np.where(no_bid, np.nan, sigma - half),
        mid_iv=np.where(no_bid, np.nan, sigma),
        ask_iv=sigma + half,
        iv_stderr=np.where(no_bid, np.nan, half / 2),
        weight=np.where(no_bid, 0.0, 1.0),
        bid_status=np.where(no_bid, "no_bid", "ok"),
        status=np.where(no_bid, "no_bid", "ok"),
        ask_status="ok",
        early_exercise_premium=0.0,
        **{name: merged[name] for name in ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga")},
        is_otm=np.where(merged["is_call"], merged["k"] >= 0, merged["k"] < 0),
    )


def _forwards(slices: pd.DataFrame) -> pd.DataFrame:
    kept = slices[["expiry_at", "expiry", "root", "tau_years", "forward", "discount"]]
    return kept.assign(
        forward_stderr=0.04, discount_stderr=1e-5, rate_basis="curve", dividends="not_needed",
        parity_residual=0.06, inside_share=1.0, n_strikes=140, n_used=133, status="ok",
    )  # fmt: skip


def _skew(slices: pd.DataFrame) -> pd.DataFrame:
    metrics = {
        "rr_25": -0.042, "bf_25": 0.006, "rr_10": -0.09, "bf_10": 0.015, "slope": -0.4, "curvature": 1.1,
        "forward_iv": 0.16, "model_free_iv": 0.18, "variance_iv": 0.181, "status": "ok",
        "atm_iv_stderr": 2e-4, "rr_25_stderr": 4e-4, "bf_25_stderr": 2e-4, "rr_10_stderr": 6e-4,
        "bf_10_stderr": 3e-4, "n_history": 0, "event": None, "event_at": None, "event_status": None,
        **dict.fromkeys(
            ["q01", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q99", "iv_rank", "iv_percentile",
             "realized_vol", "variance_risk_premium", "quiet_iv", "event_variance",
             "event_variance_stderr"], np.nan
        ),
    }  # fmt: skip
    by_expiry = slices[["expiry_at", "forward", "atm_iv"]].assign(
        basis="expiry", tenor_days=365 * slices["tau_years"], **metrics
    )
    constant = {"expiry_at": None, "forward": 6860.0, "atm_iv": 0.1512, "basis": "constant_maturity"}
    return pd.concat(
        [by_expiry, pd.DataFrame([{**constant, "tenor_days": 30.0, **metrics}])], ignore_index=True
    )


def _positioning(slices: pd.DataFrame) -> pd.DataFrame:
    absent = [
        *("call_open_interest", "put_open_interest", "call_volume", "put_volume", "put_call_open_interest"),
        *("put_call_volume", "call_gex_usd", "put_gex_usd", "gex_usd", "max_pain_strike"),
        *("most_unusual_ratio", "call_volume_z", "put_volume_z"),
    ]
    return slices[["expiry_at", "expiry", "root", "tau_years"]].assign(
        **dict.fromkeys(absent, np.nan),
        n_unusual=0,
        most_unusual=None,
        status="no_quote",
        volume_basis=None,
        n_volume_history=None,
    )


def version_of(dataset: str, symbol: str, as_of: datetime, revision: str) -> str:
    """A content version that tells revisions apart."""
    return hashlib.sha256(f"{dataset} {symbol} {as_of} {revision}".encode()).hexdigest()


def drafts(
    symbol: str = "SPX",
    as_of: datetime = AS_OF,
    *,
    revision: str = "1",
    level: float = 0.16,
    only: tuple[str, ...] = (),
) -> list[Draft]:
    """Drafts of every dataset of a snapshot, or `only` of some."""
    content = frames(as_of, level=level)
    quotes, refused = content["option_quotes"].values()
    counts = {"n_raw": len(quotes) + len(refused), "n_accepted": len(quotes), "n_quarantined": len(refused)}
    quality = {"option_quotes": {**counts, "spot": 6850.0}, "vol_surface": {"inside_share": 0.81}}
    return [
        Draft(
            dataset=name,
            symbol=symbol,
            as_of=as_of,
            version=version_of(name, symbol, as_of, revision),
            method_version="1",
            inputs={used: version_of(used, symbol, as_of, revision) for used in INPUTS.get(name, ())},
            status="published",
            source="simulated",
            run_id="run-1",
            frames=tables,
            quality=quality.get(name, {}),
        )
        for name, tables in content.items()
        if not only or name in only
    ]


def publish(store, *args, **kwargs) -> None:
    """Publish the drafts of a snapshot."""
    receipts = store.publish(drafts(*args, **kwargs), store.fence())
    assert {receipt.outcome for receipt in receipts} == {"published"}
