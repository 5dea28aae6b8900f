"""Assets of the group 'chains': what a vendor sent, and the quotes in it."""

import dagster as dg

from periscope_assets.defs.building import SINGLE_RUN, VENDOR_POOL, PipelineParam, build


@dg.asset(group_name="chains", kinds={"file"}, backfill_policy=SINGLE_RUN, pool=VENDOR_POOL)
def raw_chain(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Vendor payload, byte for byte: what has landed of a session, otherwise what the source has."""
    return build(context, pipeline)


@dg.asset(group_name="chains", kinds={"postgres"}, deps=[raw_chain], backfill_policy=SINGLE_RUN)
def option_quotes(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Normalised, validated quotes; every other row is quarantined with a reason."""
    return build(context, pipeline)


@dg.asset(group_name="chains", kinds={"postgres"}, backfill_policy=SINGLE_RUN)
def underlying_bars(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Open, high, low, close and volume of the underlying, of the sessions before this one."""
    return build(context, pipeline)


ASSETS = (raw_chain, option_quotes, underlying_bars)
