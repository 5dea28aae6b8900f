"""Tables of the groups models and signals: fits, mispricings, signals and their scores.

What belongs here: table definitions. What does not: which dataset they make up (``tables``).
"""

from __future__ import annotations

from sqlalchemy import Column

from periscope_assets.store.columns import (
    contract,
    count,
    data_table,
    document,
    expiry,
    flag,
    number,
    text,
    time,
)


def _parameters(**meanings: str) -> list[Column[float]]:
    values = [number(name, meaning) for name, meaning in meanings.items()]
    errors = [number(f"{name}_stderr", f"one-sigma error of {name}") for name in meanings]
    return [*values, *errors]


heston_calibrations = data_table(
    "heston_calibrations",
    [],
    [
        *_parameters(
            v0="initial variance",
            kappa="mean reversion, per year",
            theta="long-run variance",
            sigma="vol of variance",
            rho="correlation",
        ),
        document("covariance", "lower triangle of the parameters' covariance, 0 at a bound"),
        number("rmse_bps", "root mean square error, vol bps"),
        number("max_error_bps", "largest absolute error, vol bps"),
        flag("feller_satisfied", "2 kappa theta >= sigma^2", nullable=True),
        text("grade", "a to d, by error of fit and of parameters, or none"),
        number("drift", "largest move of a parameter but v0 since the last good fit, in errors"),
        flag("is_warm", "one of its starts was the last good fit"),
        count("n_quotes", "quotes used"),
        count("n_iterations", "optimiser iterations"),
        count("n_evaluations", "objective evaluations"),
        text("status", "ok or why there is no fit"),
    ],
    "Heston parameters of a surface",
)

sabr_calibrations = data_table(
    "sabr_calibrations",
    ["expiry_at"],
    [
        *expiry(),
        number("forward", "forward, USD"),
        *_parameters(
            alpha="initial vol, forward^(1 - beta)", rho="correlation", nu="vol of vol, per root year"
        ),
        number("beta", "elasticity, given", nullable=False),
        number("atm_iv", "vol at k = 0, decimal"),
        number("rmse_bps", "root mean square error, vol bps"),
        number("max_error_bps", "largest absolute error, vol bps"),
        count("n_quotes", "quotes used"),
        text("status", "ok or why there is no fit"),
    ],
    "SABR parameters by expiry",
)

ou_calibrations = data_table(
    "ou_calibrations",
    ["series"],
    [
        text("series", "figure of skew_metrics at 30 days: atm_iv, rr_25 or bf_25"),
        number("value", "its value in this snapshot, decimal"),
        number("value_stderr", "one-sigma error of value, decimal"),
        *_parameters(
            kappa="speed of reversion, per session",
            theta="long-run mean, decimal",
            sigma="diffusion, decimal per root session",
        ),
        number("half_life_sessions", "ln 2 / kappa"),
        number("stationary_deviation", "sigma / sqrt(2 kappa), decimal"),
        number("z_score", "(value - theta) / stationary_deviation"),
        number("z_stderr", "one-sigma error of z_score from those of value and theta"),
        count("n_observations", "sessions of the path, this one included"),
        text("status", "ok or why there is no fit"),
    ],
    "Ornstein-Uhlenbeck parameters of the series that signals use",
)

model_nodes = data_table(
    "model_nodes",
    ["tenor_days", "delta"],
    [
        number("tenor_days", "days to maturity", nullable=False),
        number("delta", "forward, undiscounted delta of the call at the served vol", nullable=False),
        number("log_moneyness", "k = ln(strike / forward)"),
        number("served_iv", "vol of the served surface, decimal"),
        number("svi_iv", "vol of SVI, linear in total variance between expiries, decimal"),
        number("essvi_iv", "vol of eSSVI fitted to the served surface, decimal"),
        number("heston_iv", "vol of Heston, decimal"),
        number("low_iv", "least of the models' vols, decimal"),
        number("high_iv", "greatest of the models' vols, decimal"),
        count("n_models", "models that have a vol here"),
        text("status", "ok or why there is no band"),
    ],
    "what models make of one node: the width of the band is model risk",
)

mispricings = data_table(
    "mispricings",
    ["contract"],
    [
        *contract(),
        number("market_iv", "mid vol, decimal"),
        number("model_iv", "Heston vol, decimal"),
        number("difference", "market_iv - model_iv, decimal"),
        number("stderr", "one-sigma error of the difference, decimal"),
        number("half_spread_iv", "half of ask_iv - bid_iv, decimal"),
        number("vega_usd", "per 1.00 vol and unit, at the mid vol, USD"),
        number("z_score", "against the contract's own past, or where that is short against all"),
        text("z_basis", "history, surface or none"),
        number("edge_usd", "model minus market value net of half-spread, USD; null inside"),
        text("status", "ok or why there is no difference"),
    ],
    "market against model by contract",
)

trade_signals = data_table(
    "trade_signals",
    ["signal_id"],
    [
        text("signal_id", "deterministic: hash of generator, instrument, snapshot and direction"),
        text("generator", "which rule made it"),
        text("instrument", "contract, or what stands for several: series and tenor"),
        text("contract", "vendor's contract symbol, null for a series", nullable=True),
        time("expiry_at", "settlement instant, UTC", nullable=True),
        number("strike", "strike, USD"),
        flag("is_call", "true for a call", nullable=True),
        number("tenor_days", "days to maturity", nullable=False),
        text("direction", "buy or sell"),
        number("entry_iv", "vol of the instrument when the signal was made, decimal"),
        number("fair_iv", "vol that the generator holds for right, decimal"),
        number("half_spread_iv", "half of the spread to pay, vol"),
        number("vega_usd", "per 1.00 vol and unit, USD"),
        number("edge_iv", "distance to fair net of half-spread, vol"),
        number("edge_usd", "edge in money net of half-spread, USD per unit"),
        number("edge_stderr", "one-sigma error of edge_iv, vol"),
        number("z_score", "z-score behind the signal"),
        number("confidence", "0 to 1, weighted by regime"),
        text("regime", "calm, stressed, trending or unknown"),
        count("rank", "1 is best in the snapshot"),
        text("state", "pending, overruled or filtered, when published"),
        text("reason", "why, in one sentence with its numbers"),
        text("decision", "why it is overruled or filtered, null when pending", nullable=True),
    ],
    "ranked trade signals, those that lost and why",
)

signal_scores = data_table(
    "signal_scores",
    ["signal_id", "horizon_sessions"],
    [
        text("signal_id", "signal that is scored"),
        count("horizon_sessions", "sessions since it was made"),
        time("signal_as_of", "market time of the signal"),
        text("generator", "which rule made it"),
        text("instrument", "what it was about"),
        text("direction", "buy or sell"),
        text("signal_state", "state in which it was published"),
        number("confidence", "its confidence"),
        number("entry_iv", "vol when it was made, decimal"),
        number("exit_iv", "vol now, decimal"),
        number("hedge_iv", "move of the model's vol meanwhile, decimal; 0 for a series"),
        number("gross_iv", "move of vol less hedge_iv, in the signal's direction, decimal"),
        number("net_iv", "gross_iv less half-spreads at both ends, decimal"),
        number("net_usd", "net_iv x vega of the signal, USD per unit"),
        flag("is_hit", "net_iv above zero", nullable=True),
        text("basis", "as_served: known before the scored session; or reconstructed"),
        text("status", "ok or why there is no score"),
    ],
    "signals scored forward, net of spread",
)
