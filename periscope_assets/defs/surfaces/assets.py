"""Assets of the group 'surfaces': from quotes to a volatility surface and what is read off it."""

import dagster as dg

from periscope_assets.defs.building import SINGLE_RUN, PipelineParam, build
from periscope_assets.defs.chains.assets import option_quotes
from periscope_assets.defs.pictures import smile_picture
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
    group_name="surfaces", kinds={"postgres"}, deps=[implied_vols, forward_curve], backfill_policy=SINGLE_RUN
)
def vol_surface(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """SVI slice per expiry and the surface's no-arbitrage certificate."""
    return build(context, pipeline, smile_picture)


@dg.asset(
    group_name="surfaces", kinds={"postgres"}, deps=[vol_surface, option_quotes], backfill_policy=SINGLE_RUN
)
def skew_metrics(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """ATM vol, skew, forward and model-free vol, by expiry and constant maturity."""
    return build(context, pipeline)


ASSETS = (forward_curve, implied_vols, vol_surface, skew_metrics)
