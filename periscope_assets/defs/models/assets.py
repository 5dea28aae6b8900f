"""Assets of the group 'models': parameters fitted to a surface."""

import dagster as dg

from periscope_assets.defs.building import SINGLE_RUN, PipelineParam, build
from periscope_assets.defs.surfaces.assets import implied_vols, vol_surface


@dg.asset(
    group_name="models", kinds={"postgres"}, deps=[implied_vols, vol_surface], backfill_policy=SINGLE_RUN
)
def heston_fit(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Heston parameters of a surface with their errors."""
    return build(context, pipeline)


ASSETS = (heston_fit,)
