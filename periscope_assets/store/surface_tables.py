"""Tables of the group surfaces: forwards, vols, slices, nodes and what is read off them.

What belongs here: table definitions. What does not: which dataset they make up (``tables``).
"""

from __future__ import annotations

from periscope_assets.store.columns import (
    contract,
    count,
    data_table,
    document,
    event,
    expiry,
    flag,
    number,
    text,
    time,
)

forwards = data_table(
    "forwards",
    ["expiry_at"],
    [
        *expiry(),
        number("forward", "forward from put-call parity, USD"),
        number("forward_stderr", "one-sigma error of the forward, USD"),
        number("discount", "discount factor to settlement"),
        number("discount_stderr", "one-sigma error of the discount factor"),
        text("rate_basis", "where the discount comes from: parity, box, curve or not_needed"),
        text("dividends", "how they are known: schedule, extended, implied_yield or not_needed"),
        number("parity_residual", "weighted median absolute parity residual, USD"),
        number("inside_share", "share of the strikes used whose interval of parity holds the forward"),
        count("n_strikes", "strikes quoted on both sides"),
        count("n_used", "strikes used"),
        text("status", "ok or why there is no forward"),
    ],
    "forward and discount by expiry",
)

implied_vols = data_table(
    "implied_vols",
    ["contract"],
    [
        *contract(),
        number("tau_years", "time to settlement, ACT/365F to the minute", nullable=False),
        number("forward", "forward used, USD"),
        number("log_moneyness", "k = ln(strike / forward)"),
        number("bid_iv", "vol of the bid, decimal"),
        number("mid_iv", "vol of the mid, decimal"),
        number("ask_iv", "vol of the ask, decimal"),
        number("iv_stderr", "one-sigma error of mid_iv from spread, size, age and the other side, decimal"),
        number("weight", "share of the spread's variance in that error's, 0 for a quote that no fit may use"),
        text("bid_status", "ok or why there is no bid_iv"),
        text("status", "ok or why there is no mid_iv"),
        text("ask_status", "ok or why there is no ask_iv"),
        number("early_exercise_premium", "American minus European value at mid_iv, in quote_unit"),
        number("delta", "forward delta, undiscounted"),
        number("gamma", "per USD squared of forward"),
        number("vega", "per 1.00 vol, USD"),
        number("theta", "per calendar day, USD"),
        number("rho", "per 1.00 rate, USD"),
        number("vanna", "d delta / d vol"),
        number("volga", "d vega / d vol, USD"),
        flag("is_otm", "on the out-of-the-money side of the forward"),
    ],
    "implied vols and greeks by contract",
)

surface_slices = data_table(
    "surface_slices",
    ["expiry_at"],
    [
        *expiry(),
        number("forward", "forward, USD"),
        number("discount", "discount factor to settlement"),
        document("params", "the law's numbers, from which anybody evaluates the slice to the last bit"),
        document(
            "covariance", "lower triangle of the covariance of params.values, the slice before held fixed"
        ),
        document("errors", "factor of the vols' covariance, a row for each of vol_errors.Z_NODES"),
        number("atm_iv", "vol at k = 0, decimal"),
        number("atm_iv_stderr", "one-sigma error of atm_iv, decimal"),
        number("rmse_bps", "vega-weighted root mean square distance from mids, vol bps"),
        number("max_error_bps", "largest distance from a mid, vol bps"),
        number(
            "inside_share", "vega-weighted share of n_quotes that were used and lie inside their bid and ask"
        ),
        number("min_g", "least Gatheral-Jacquier g on the certificate's grid"),
        number("second_mode", "greatest rise of the density away from its peak, as a share of the peak"),
        number("k_min", "least log-moneyness of the quotes used"),
        number("k_max", "greatest log-moneyness of the quotes used"),
        count("n_quotes", "out-of-the-money quotes with 0 < bid < ask"),
        count("n_used", "quotes used in the fit"),
        text("status", "ok, not_converged, borrowed_shape, interpolated, or why there is no slice"),
        number("clock_years", "trading time to settlement, years; null without a calendar"),
        *event(),
        document("time_shares", "share of the rise in total variance since the expiry before, by tau"),
    ],
    "served surface by expiry",
)

surface_quotes = data_table(
    "surface_quotes",
    ["contract"],
    [
        *contract(),
        number("log_moneyness", "k = ln(strike / forward)"),
        number("surface_iv", "vol of the surface, decimal"),
        number("surface_iv_stderr", "one-sigma error of surface_iv, decimal"),
        number("residual_bps", "mid_iv - surface_iv, vol bps"),
        flag("is_inside", "surface_iv lies between bid_iv and ask_iv", nullable=True),
        number("weight", "share of the expiry's vega among its quotes used", nullable=False),
        text("status", "ok where the fit used the quote, else why not"),
    ],
    "served surface beside each contract: quotes used and refused",
)

svi_slices = data_table(
    "svi_slices",
    ["expiry_at"],
    [
        *expiry(),
        number("forward", "forward, USD"),
        number("discount", "discount factor to settlement"),
        number("a", "raw SVI a, total variance"),
        number("b", "raw SVI b"),
        number("rho", "raw SVI rho"),
        number("m", "raw SVI m, log-moneyness"),
        number("sigma", "raw SVI sigma, log-moneyness"),
        number("atm_iv", "vol at k = 0, decimal"),
        number("rmse_bps", "vega-weighted root mean square error, vol bps"),
        number("max_error_bps", "largest absolute error, vol bps"),
        number("inside_share", "share of vega-weighted quotes inside their bid and ask"),
        number("min_g", "least Gatheral-Jacquier g on the grid"),
        number("k_min", "least quoted log-moneyness"),
        number("k_max", "greatest quoted log-moneyness"),
        count("n_quotes", "out-of-the-money quotes of the expiry"),
        count("n_used", "quotes used in the fit"),
        text("status", "ok or why there is no fit"),
    ],
    "raw SVI by expiry",
)

surface_certificates = data_table(
    "surface_certificates",
    [],
    [
        flag("is_free", "no butterfly and no calendar arbitrage on the grid"),
        number("min_g", "least g over all expiries"),
        number("min_calendar", "least difference of total variance between neighbouring expiries"),
        number("left_wing", "greatest slope of the left wings, must be at most 2"),
        number("right_wing", "greatest slope of the right wings, must be at most 2"),
        number("mass_error", "greatest distance from 1 of a density's integral"),
        number("mean_error", "greatest distance from 1 of the mean of S/F"),
        number("second_mode", "greatest rise of a density away from its peak, as a share of the peak"),
        count("n_slices", "slices examined"),
        count("n_butterfly", "grid points with g < 0"),
        count("n_calendar", "grid points where total variance falls"),
        number("grid_k_min", "least log-moneyness of the grid"),
        number("grid_k_max", "greatest log-moneyness of the grid"),
        count("grid_n_k", "log-moneyness points of the grid"),
        number("grid_tau_min", "shortest maturity of the grid, years"),
        number("grid_tau_max", "longest maturity of the grid, years"),
        count("grid_n_tau", "maturities of the grid, expiries and others"),
        text("status", "ok or why it could not be certified"),
    ],
    "no-arbitrage certificate of a surface",
)

surface_nodes = data_table(
    "surface_nodes",
    ["axis", "tenor_days", "coordinate"],
    [
        text("axis", "delta or moneyness: what coordinate is"),
        number("tenor_days", "days to maturity", nullable=False),
        number("coordinate", "forward, undiscounted delta of the call, or strike / forward", nullable=False),
        number("tau_years", "years to maturity, tenor_days / 365", nullable=False),
        number("forward", "forward, log-linear between expiries, USD"),
        number("log_moneyness", "k = ln(strike / forward)"),
        number("strike", "forward exp(k), USD"),
        number("iv", "vol, decimal"),
        number("iv_stderr", "one-sigma error of iv, decimal"),
        text(
            "status", "ok, extrapolated beyond the strikes quoted, or out_of_range: no expiries on both sides"
        ),
    ],
    "served surface at constant maturities",
)

skew_metrics = data_table(
    "skew_metrics",
    ["basis", "tenor_days"],
    [
        text("basis", "expiry or constant_maturity"),
        number("tenor_days", "days to settlement", nullable=False),
        time("expiry_at", "settlement instant, UTC, for basis expiry", nullable=True),
        number("forward", "forward, USD"),
        number("atm_iv", "vol at k = 0, decimal"),
        number("atm_iv_stderr", "one-sigma error of atm_iv, decimal"),
        number("rr_25", "25-delta risk reversal: call vol - put vol, decimal"),
        number("bf_25", "25-delta butterfly: mean of the two - ATM, decimal"),
        number("rr_10", "10-delta risk reversal, decimal"),
        number("bf_10", "10-delta butterfly, decimal"),
        number("rr_25_stderr", "one-sigma error of rr_25, decimal"),
        number("bf_25_stderr", "one-sigma error of bf_25, decimal"),
        number("rr_10_stderr", "one-sigma error of rr_10, decimal"),
        number("bf_10_stderr", "one-sigma error of bf_10, decimal"),
        number("slope", "d iv / d k at k = 0"),
        number("curvature", "d2 iv / d k2 at k = 0"),
        number("forward_iv", "forward vol from the previous tenor to this one, decimal"),
        number("model_free_iv", "square root of model-free variance, decimal"),
        number("variance_iv", "square root of the surface's -2 E[ln S/F] / tau, decimal"),
        number("q01", "1 percent quantile of S/F, risk-neutral"),
        number("q05", "5 percent quantile of S/F, risk-neutral"),
        number("q10", "10 percent quantile of S/F, risk-neutral"),
        number("q25", "25 percent quantile of S/F, risk-neutral"),
        number("q50", "50 percent quantile of S/F, risk-neutral"),
        number("q75", "75 percent quantile of S/F, risk-neutral"),
        number("q90", "90 percent quantile of S/F, risk-neutral"),
        number("q95", "95 percent quantile of S/F, risk-neutral"),
        number("q99", "99 percent quantile of S/F, risk-neutral"),
        number("iv_rank", "atm_iv between its least (0) and greatest (1) of the history"),
        number("iv_percentile", "share of the history's atm_iv below this one"),
        count("n_history", "days of the history"),
        number("realized_vol", "realised vol of the tenor's days before as_of, decimal"),
        number("variance_risk_premium", "variance_iv^2 - realized_vol^2, per year"),
        text("status", "ok or why the metrics are absent"),
        number("quiet_iv", "vol at k = 0 without events, by trading time, decimal; null without a calendar"),
        *event(),
    ],
    "skew and term structure",
)

positioning = data_table(
    "positioning",
    ["expiry_at"],
    [
        *expiry(),
        number("call_open_interest", "open contracts of calls, prior session"),
        number("put_open_interest", "open contracts of puts, prior session"),
        number("call_volume", "contracts of calls traded"),
        number("put_volume", "contracts of puts traded"),
        number("put_call_open_interest", "puts over calls, open contracts"),
        number("put_call_volume", "puts over calls, traded contracts"),
        number(
            "call_gex_usd",
            "gamma of open calls x multiplier x forward^2 / 100: USD to trade for a move of 1 percent",
        ),
        number("put_gex_usd", "the same of open puts"),
        number("gex_usd", "call_gex_usd - put_gex_usd: dealers long calls and short puts"),
        number("max_pain_strike", "listed strike at which open contracts are worth least at settlement, USD"),
        count("n_unusual", "contracts traded more than twice their open interest, at least 100 of them"),
        text("most_unusual", "the one with the greatest ratio", nullable=True),
        number("most_unusual_ratio", "its volume over open interest"),
        text("status", "ok or why the figures are absent"),
        number("call_volume_z", "call volume against earlier sessions, in their deviations"),
        number("put_volume_z", "put volume against earlier sessions, in their deviations"),
        text("volume_basis", "whose sessions: expiry, maturity, or null without enough", nullable=True),
        count("n_volume_history", "sessions of that history", nullable=True),
    ],
    "open interest, volume and gamma by expiry",
)
