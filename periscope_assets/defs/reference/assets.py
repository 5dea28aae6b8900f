"""Assets of the group 'reference': what all underlyings share."""

import dagster as dg

from periscope_assets.defs.building import SINGLE_RUN, PipelineParam, build


@dg.asset(group_name="reference", kinds={"postgres"}, backfill_policy=SINGLE_RUN)
def rate_curve(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Zero rates by tenor of a date; the same for every universe."""
    return build(context, pipeline)


ASSETS = (rate_curve,)
