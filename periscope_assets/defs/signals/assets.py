"""Assets of the group 'signals': where the market differs from a model, and what to do about it."""

import dagster as dg

from periscope_assets.defs.building import SINGLE_RUN, PipelineParam, build
from periscope_assets.defs.models.assets import heston_fit, ou_fit
from periscope_assets.defs.surfaces.assets import forward_curve, implied_vols, skew_metrics


@dg.asset(
    group_name="signals",
    kinds={"postgres"},
    deps=[implied_vols, forward_curve, heston_fit],
    backfill_policy=SINGLE_RUN,
)
def mispricing(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Market minus model implied vol per contract, with z-score and error."""
    return build(context, pipeline)


@dg.asset(
    group_name="signals",
    kinds={"postgres"},
    deps=[mispricing, skew_metrics, ou_fit],
    backfill_policy=SINGLE_RUN,
)
def trade_signals(context: dg.AssetExecutionContext, pipeline: PipelineParam) -> dg.MaterializeResult[None]:
    """Signals of all generators, weighed, filtered and ranked, each with its reason."""
    return build(context, pipeline)


@dg.asset(
    group_name="signals",
    kinds={"postgres"},
    deps=[implied_vols, skew_metrics, heston_fit, trade_signals],
    backfill_policy=SINGLE_RUN,
)
def signal_scorecard(
    context: dg.AssetExecutionContext, pipeline: PipelineParam
) -> dg.MaterializeResult[None]:
    """Scores of the signals of 1, 5 and 21 sessions ago, net of spread."""
    return build(context, pipeline)


ASSETS = (mispricing, trade_signals, signal_scorecard)
