"""Assets of the group 'surfaces': from quotes to a volatility surface and what is read off it."""

import dagster as dg

from periscope_assets.defs.building import SINGLE_RUN, PipelineParam, build
from periscope_assets.defs.chains.assets import option_quotes, underlying_bars
from periscope_assets.defs.executors import HEAVY_TAGS
from periscope_assets.defs.pictures import surface_pictures
from periscope_assets.defs.reference.assets import rate_curve


@dg.asset(
    group_name="surfaces", kinds={"postgres"}, deps=[option_quotes, rate_curve], backfill_policy=SINGLE_RUN
)
def forward_curve(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Forward and discount per expiry from put-call parity, with error."""
    return build(context, pipeline)


@dg.asset(
    group_name="surfaces",
    kinds={"postgres"},
    deps=[option_quotes, forward_curve],
    backfill_policy=SINGLE_RUN,
)
def implied_vols(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Bid, mid and ask implied vol, status, greeks and uncertainty of every contract."""
    return build(context, pipeline)


@dg.asset(
    group_name="surfaces",
    kinds={"postgres"},
    deps=[implied_vols, forward_curve],
    backfill_policy=SINGLE_RUN,
    op_tags=HEAVY_TAGS,
)
def vol_surface(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Arbitrage-free surface inside bid and ask, its certificate, and SVI slices beside it."""
    return build(context, pipeline, surface_pictures)


@dg.asset(group_name="surfaces", kinds={"postgres"}, deps=[vol_surface], backfill_policy=SINGLE_RUN)
def surface_grid(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Vols at constant maturities by delta and by moneyness, each with its error."""
    return build(context, pipeline)


@dg.asset(
    group_name="surfaces",
    kinds={"postgres"},
    deps=[vol_surface, surface_grid, option_quotes, underlying_bars],
    backfill_policy=SINGLE_RUN,
)
def skew_metrics(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """ATM vol, skew, forward and model-free vol with their errors; open interest, volume and gamma."""
    return build(context, pipeline)


ASSETS = (forward_curve, implied_vols, vol_surface, surface_grid, skew_metrics)
