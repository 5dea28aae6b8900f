"""Assets of the group 'models': parameters fitted to a surface or to its history."""

import dagster as dg

from periscope_assets.defs.building import SINGLE_RUN, PipelineParam, build
from periscope_assets.defs.executors import HEAVY_TAGS
from periscope_assets.defs.surfaces.assets import implied_vols, skew_metrics, surface_grid, vol_surface


@dg.asset(
    group_name="models",
    kinds={"postgres"},
    deps=[implied_vols, vol_surface],
    backfill_policy=SINGLE_RUN,
    op_tags=HEAVY_TAGS,
)
def heston_fit(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Heston parameters of a surface with errors, grade and drift since the last good fit."""
    return build(context, pipeline)


@dg.asset(
    group_name="models",
    kinds={"postgres"},
    deps=[implied_vols, vol_surface],
    backfill_policy=SINGLE_RUN,
    op_tags=HEAVY_TAGS,
)
def sabr_fit(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """SABR parameters of each expiry with their errors."""
    return build(context, pipeline)


@dg.asset(group_name="models", kinds={"postgres"}, deps=[skew_metrics], backfill_policy=SINGLE_RUN)
def ou_fit(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Mean reversion of vol at the money, risk reversal and butterfly over the year before."""
    return build(context, pipeline)


@dg.asset(
    group_name="models",
    kinds={"postgres"},
    deps=[surface_grid, vol_surface, heston_fit],
    backfill_policy=SINGLE_RUN,
)
def model_bands(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Vols of the served surface, SVI, eSSVI and Heston at the same nodes."""
    return build(context, pipeline)


ASSETS = (heston_fit, sabr_fit, ou_fit, model_bands)
