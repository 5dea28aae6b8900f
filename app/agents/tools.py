"""The registry of what agents may ask: at most eight tools, all of them read-only.

What belongs here: names, descriptions and which query answers. What does not: protocols (``mcp_server``),
SQL, formulas. Each tool asks the same queries as the REST API, so that their numbers are the same.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from app.agents import inputs
from app.agents.replies import Reply, absent, computed, page, pinned_time
from app.queries import (
    InvalidParameterError,
    NotPublishedError,
    PurgedError,
    Queries,
    StoreUnavailableError,
    UnknownSymbolError,
)
from app.queries.answer import Answer
from app.queries.explain import explain
from app.queries.points import Point, surface_points
from app.queries.pricing import price, vols

logger = logging.getLogger(__name__)

INSTRUCTIONS = """
Options surfaces as published, as known at any time. Every answer names as_of (market time), known_at (ask
again with it and the same rows come back), version and status; status "absent" comes with the reason and what
to do. Vols are decimals: 0.20 is 20 %. A null is an absent number whose status column says why: never read it
as zero. Columns that end in _stderr are one-sigma errors: say them with the number. "stale" means that newer
quotes are there. Answers are small: ask for `fields`, and follow `next` with `cursor`.
""".strip()


class ToolError(Exception):
    """A call that can't be answered: `code` says what kind of failure, the message what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Tool:
    """One question that agents may ask.

    Attributes
    ----------
    name, title, description : str
    arguments : type of Arguments
    dataset : str
        What an absence is of.
    run : callable
        Takes the queries and checked arguments.
    """

    name: str
    title: str
    description: str
    arguments: type[inputs.Arguments]
    dataset: str
    run: Callable[[Queries, Any], Reply]

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON schema of the arguments; it refuses unknown ones."""
        return self.arguments.model_json_schema()

    @property
    def output_schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        return Reply.model_json_schema()


def call(queries: Callable[[], Queries], name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's answer as plain values.

    Parameters
    ----------
    queries : callable
        Opens the reads; may raise ``StoreUnavailableError``.
    name : str
    arguments : mapping

    Raises
    ------
    ToolError
        If there is no such tool, an argument is wrong, or the store is out of reach.
    """
    tool = TOOLS.get(name)
    if tool is None:
        raise ToolError("unknown-tool", f"expected one of {', '.join(TOOLS)}")
    try:
        asked = tool.arguments.model_validate(dict(arguments))
        return _answered(tool, queries(), asked).model_dump(mode="json")
    except ValidationError as error:
        raise ToolError("invalid-argument", _explained(error)) from None
    except InvalidParameterError as error:
        raise ToolError("invalid-argument", str(error)[:500]) from None
    except StoreUnavailableError:
        raise ToolError("store-unavailable", "the store is out of reach; ask again in a while") from None
    except Exception:
        reference = uuid.uuid4().hex
        logger.exception("tool %s failed, reference %s", name, reference)
        raise ToolError("internal", f"something failed; the log has it as {reference}") from None


def _answered(tool: Tool, queries: Queries, asked: inputs.Arguments) -> Reply:
    try:
        return tool.run(queries, asked)
    except (UnknownSymbolError, NotPublishedError, PurgedError) as error:
        return absent(tool.dataset, getattr(asked, "symbol", None), error)


def _explained(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part)[:40] for part in each['loc']) or 'arguments'}: {each['msg'][:200]}"
        for each in found[:5]
    )


def _times(tool: str, asked: inputs.Pinned) -> dict[str, Any]:
    known_at = pinned_time(tool, asked, asked.known_at)
    return {"as_of": asked.as_of, "known_at": known_at, "version": asked.version}


def _find(queries: Queries, asked: inputs.Find) -> Reply:
    answer = queries.underlyings(known_at=pinned_time("find", asked, asked.known_at))
    wanted = (asked.query or "").upper()
    return _kept(
        "find", asked, answer, "underlyings", lambda frame: frame["symbol"].str.contains(wanted, regex=False)
    )


def _chain(queries: Queries, asked: inputs.Chain) -> Reply:
    answer = queries.chain(asked.symbol, expiry=asked.expiry, **_times("chain", asked))

    def wanted(frame: Any) -> Any:
        strikes = frame["strike"].astype("float64")
        kept = np.ones(len(frame), dtype=bool)
        if asked.strike_from is not None:
            kept &= (strikes >= asked.strike_from).to_numpy()
        if asked.strike_to is not None:
            kept &= (strikes <= asked.strike_to).to_numpy()
        if asked.side is not None:
            kept &= (frame["is_call"] == (asked.side == "call")).fillna(False).to_numpy(dtype=bool)
        return kept

    return _kept("chain", asked, answer, "rejected" if asked.rejected else "chain", wanted)


def _surface(queries: Queries, asked: inputs.Surface) -> Reply:
    times = _times("surface", asked)
    if asked.is_point:
        point = Point(asked.strike, asked.delta, asked.expiry, asked.days, asked.is_call)
        answer = surface_points(queries, asked.symbol, point, **times)
        return page("surface", asked, answer, "surface_points")
    return page("surface", asked, queries.surface(asked.symbol, **times), "surface_slices", _SLICE)


def _skew(queries: Queries, asked: inputs.Skew) -> Reply:
    answer = queries.read("skew_metrics", asked.symbol, **_times("skew_and_term", asked))
    return _kept("skew_and_term", asked, answer, "skew_metrics", lambda frame: frame["basis"] == asked.basis)


_FITS = {"heston": "heston_calibrations", "sabr": "sabr_calibrations", "ou": "ou_calibrations"}


def _fits(queries: Queries, asked: inputs.Fits) -> Reply:
    answer = queries.read(f"{asked.model}_fit", asked.symbol, **_times("fits", asked))
    return page("fits", asked, answer, _FITS[asked.model])


def _signals(queries: Queries, asked: inputs.Signals) -> Reply:
    answer = queries.read("trade_signals", asked.symbol, **_times("signals", asked))
    rows = answer.frames["trade_signals"].sort_values("rank", kind="stable", ignore_index=True)
    return page("signals", asked, _with(answer, "trade_signals", rows), "trade_signals", _SIGNAL)


def _price(_: Queries, asked: inputs.Price) -> Reply:
    if (asked.vol is None) == (asked.price is None):
        raise InvalidParameterError("vol", "expected exactly one of vol and price")
    given = asked.model_dump(exclude_none=True, exclude={"greeks"})
    name = "implied_vol" if asked.vol is None else "price"
    found = vols(given) if asked.vol is None else price(given, greeks=asked.greeks)
    columns = {
        key: [None if np.isnan(value) else value for value in values.tolist()]
        for key, values in found.columns.items()
    }
    return computed(name, found.version, columns, list(found.status))


def _explain(queries: Queries, asked: inputs.Explain) -> Reply:
    answer = explain(
        queries,
        asked.symbol,
        asked.dataset,
        expiry=asked.expiry,
        contract=asked.contract,
        **_times("explain", asked),
    )
    return page("explain", asked, answer, asked.table)


def _kept(tool: str, asked: inputs.Paged, answer: Answer, table: str, wanted: Callable[[Any], Any]) -> Reply:
    frame = answer.frames[table]
    rows = frame[wanted(frame)].reset_index(drop=True) if len(frame) else frame
    return page(tool, asked, _with(answer, table, rows), table, _USUAL.get(table, ()))


def _with(answer: Answer, table: str, rows: Any) -> Answer:
    return replace(answer, frames={table: rows}, key="")


_SLICE = (
    *("expiry", "root", "tau_years", "forward", "atm_iv", "atm_iv_stderr", "rmse_bps", "max_error_bps"),
    *("n_used", "status"),
)
_SIGNAL = (
    *("rank", "signal_id", "generator", "contract", "instrument", "direction", "edge_iv", "edge_stderr"),
    *("z_score", "confidence", "state", "reason"),
)
_USUAL = {
    "underlyings": ("symbol", "as_of", "status", "version", "spot", "n_expiries", "atm_iv_30d", "rr_25_30d"),
    "chain": ("contract", "expiry", "strike", "is_call", "bid", "ask", "mid_iv", "iv_stderr", "status"),
    "rejected": ("contract", "expiry", "strike", "is_call", "bid", "ask", "reason", "detail"),
    "skew_metrics": (
        *("tenor_days", "expiry_at", "forward", "atm_iv", "atm_iv_stderr", "rr_25", "rr_25_stderr"),
        *("bf_25", "bf_25_stderr", "forward_iv", "variance_iv", "status"),
    ),
}

_LIST = (
    Tool(
        "find",
        "Find underlyings",
        "List underlyings with quotes: latest snapshot, whether it is stale, and headline vols. Start here.",
        inputs.Find,
        "underlyings",
        _find,
    ),
    Tool(
        "chain",
        "Option chain",
        "Quotes of an underlying beside their implied vols with errors; or refused quotes, and why.",
        inputs.Chain,
        "chain",
        _chain,
    ),
    Tool(
        "surface",
        "Volatility surface",
        "The arbitrage-free surface: vols at the money by expiry; or, with strike or delta and expiry or "
        "days, the vol of one point with its error.",
        inputs.Surface,
        "vol_surface",
        _surface,
    ),
    Tool(
        "skew_and_term",
        "Skew and term structure",
        "Vols at the money, risk reversals, butterflies, forward and model-free vols by maturity.",
        inputs.Skew,
        "skew_metrics",
        _skew,
    ),
    Tool(
        "fits",
        "Model fits",
        "Parameters of the Heston, SABR or OU fit with their errors and how good the fit is.",
        inputs.Fits,
        "fits",
        _fits,
    ),
    Tool(
        "signals",
        "Trade signals",
        "Signals of an underlying, best first, each with its edge, the edge's error and the reason.",
        inputs.Signals,
        "trade_signals",
        _signals,
    ),
    Tool(
        "price",
        "Price options",
        "Black-76 prices and greeks of options that you describe, or implied vols of their prices.",
        inputs.Price,
        "price",
        _price,
    ),
    Tool(
        "explain",
        "Explain numbers",
        "What is behind published numbers: every input's version, method, source and run; quotes and rules.",
        inputs.Explain,
        "explain",
        _explain,
    ),
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _LIST}
