"""No public function of the analytics raises, warns or hangs on any number, or calls an absent number OK.

Every public callable is called: one whose argument has no generator, in ``fuzzing`` by name or in
``fuzz_objects``, fails here.
"""

from __future__ import annotations

import inspect
import time
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.analytics.fuzz_objects import ARGUMENTS, OWNERS, PARAMETERS, SPECIFIC, scalars
from tests.analytics.fuzzing import SHARES, faults, market, names_an_argument, poisoned, public

SIZES = (0, 1, 2, 5, 12, 12, 30)
SECONDS = 5.0
"""Processor time that no single call may take, on any argument; most take microseconds."""

NOT_FUZZED = {
    "arguments": "the checks themselves: they raise on behalf of the functions that call them",
    "bracket": "takes a function of the caller's",
    "calibration.objective": "takes a function of the caller's, or what an optimisation returned",
    "threads": "takes a function of the caller's",
    "conventions": "texts and dates",
    "errors.Status": "a vocabulary",
    "market.OptionContract": "texts and dates",
    "market.parse_occ": "texts; test_market has its own properties",
    "calibration.tangents": "a fitted slice's derivatives; takes no number from outside",
    "calibration.thin": "steps of fit_surface, on what `band` has checked",
    "calibration.result.assembled": "takes what a fit returned",
    "calibration.slice.grid_for": "a step of fit_surface, on what `band` has checked",
    "calibration.slice.fit_band": "a step of fit_surface, on what `band` has checked",
    "calibration.slice.absent": "a result without numbers",
    "calibration.slices": "what the fits of many slices share",
    "calibration.svi.fit_within": "a step of fit_svi_surface, on columns that it has checked",
    "calibration.svi.optima": "a step of fit_svi_surface, on columns that it has checked",
    "calibration.svi.usable": "a step of fit_svi, on columns that it has checked",
    "forward.absent": "a result without numbers",
    "forward.no_forwards": "a result without numbers",
    "heston.fill_values": "a step of HestonParams.price, on columns that it has checked",
    "heston.forward_values": "a step of HestonParams.price, on columns that it has checked",
    "heston.maturity_edges": "a step of HestonParams.price, on columns that it has checked",
    "served.onward": "takes no number",
    "served.taus_of": "takes what a step returned",
    "slice.geometry": "of a grid rule that has checked its numbers",
    "slice.gaussian_inverse": "a step of SliceParams, on its own total variance",
}

RECORDS = {
    "american.Terms", "american_quotes.Options", "american_forward.Carry", "arbitrage.Certificate",
    "black.Greeks", "black.FirstGreeks", "box.ZeroRates", "calibration.essvi.ESSVICalibration",
    "calibration.objective.Optimum", "calibration.result.Calibration", "calibration.served.SliceQuotes",
    "calibration.served.ServedCalibration", "calibration.slice.SliceCalibration",
    "calibration.slice.Band", "calibration.svi_surface.SVISurfaceCalibration",
    "certificate.ServedCertificate", "event_time.EventVariances", "event_time.Shares", "forward.ForwardFit",
    "forward.ForwardFits", "forward.Pairs", "implied_vol.ImpliedVol", "montecarlo.Paths",
    "montecarlo.Estimate", "skew.TermStructure", "slice.Geometry", "slice.Law", "strategy.Outcome",
    "svi.JumpWings", "svi.Natural", "variance.ModelFree",
}  # fmt: skip
"""Plain records of arguments or results: nothing is computed from a number."""


FIELDS = {"strategy.Strategy": {"tau"}, "strategy.Market": {"tau"}}
"""Fields of what is in an object, that a ValueError may name."""

EVERYTHING = {name: (value, owner) for name, value, owner in public()}


def _exempt(name: str) -> bool:
    value, owner = EVERYTHING[name]
    if getattr(owner or value, "_is_protocol", False) or name in RECORDS:
        return True
    parts = name.split(".")
    return any(".".join(parts[: i + 1]) in NOT_FUZZED for i in range(len(parts)))


CALLED = sorted(name for name in EVERYTHING if not _exempt(name) and name.rpartition(".")[0] not in RECORDS)


def _arguments(name: str, function: Any, rng: np.random.Generator, share: float, n: int) -> dict[str, Any]:
    """Arguments of a function by the names and annotations of its parameters."""
    world = market(rng, n)
    given_here = SPECIFIC[name](rng, world, share) if name in SPECIFIC else {}
    ranges = scalars(rng, name, share) if name in PARAMETERS else {}
    made: dict[str, Any] = {}
    for key, parameter in inspect.signature(function).parameters.items():
        if key in ("self", "cls"):
            continue
        if key in given_here or key in ranges:
            made[key] = given_here.get(key, ranges.get(key))
            continue
        if parameter.default is not inspect.Parameter.empty and rng.random() < 0.3:
            continue
        if key in ARGUMENTS:
            made[key] = ARGUMENTS[key](rng, world, share)
            continue
        assert key in world, f"{name}: no generator for {key}; see fuzzing.market, fuzz_objects, NOT_FUZZED"
        made[key] = _number(world[key], str(parameter.annotation), rng, share)
    return made


def _number(value: Any, annotation: str, rng: np.random.Generator, share: float) -> Any:
    """An ordinary value, as a number or a column as its annotation asks, poisoned; now and then misshapen."""
    if annotation.startswith("float"):
        value = float(np.ravel(value)[0]) if np.size(value) else 0.5
    elif annotation.startswith(("Floats", "ArrayLike")) and isinstance(value, np.ndarray | float):
        if "Floats" in annotation:
            value = np.atleast_1d(np.asarray(value))
        elif rng.random() < 0.03:
            value = np.resize(value, np.size(value) + 1)
        elif rng.random() < 0.1 and np.size(value):
            value = np.ravel(value)[0]
    return poisoned(rng, value, share)


def _call(name: str, rng: np.random.Generator, share: float, n: int) -> tuple[Any, dict[str, Any], Any]:
    """Call the function once; return its result, the arguments, and what was called."""
    value, owner = EVERYTHING[name]
    if isinstance(value, property):
        return value.fget(OWNERS[name.rpartition(".")[0]](rng)), {}, value.fget  # type: ignore[misc]
    if isinstance(value, classmethod):
        made = _arguments(name, value.__func__, rng, share, n)
        return _tried(value.__get__(None, owner), made), made, value.__func__
    if owner is not None:
        held = OWNERS[name.rpartition(".")[0]](rng)
        made = _arguments(name, value, rng, share, n)
        return _tried(value.__get__(held, owner), made), made | {"self": held}, value
    made = _arguments(name, value, rng, share, n)
    return _tried(value, made), made, value


def _tried(function: Any, made: dict[str, Any]) -> Any:
    """The function's result, or the ValueError that it raised."""
    try:
        return function(**made)
    except ValueError as error:
        return error


def _again(name: str, seed: int) -> float:
    """Processor time of the same call once its kernels are compiled."""
    rng = np.random.default_rng(seed)
    share, n = float(rng.choice(SHARES)), int(rng.choice(SIZES))
    start = time.process_time()
    _call(name, rng, share, n)
    return time.process_time() - start


def test_everything_public_is_fuzzed():
    for name in CALLED:
        _call(name, np.random.default_rng(1), 0.0, 6)


def test_what_is_not_fuzzed_exists():
    assert set(EVERYTHING) >= RECORDS
    known = {".".join(name.split(".")[: i + 1]) for name in EVERYTHING for i in range(name.count(".") + 1)}
    assert set(NOT_FUZZED) <= known


@pytest.mark.parametrize("name", CALLED)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_number_makes_it_raise_warn_or_lie(name, seed):
    rng = np.random.default_rng(seed)
    share, n = float(rng.choice(SHARES)), int(rng.choice(SIZES))
    owner = EVERYTHING[name][1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start = time.process_time()
        result, made, called = _call(name, rng, share, n)
        spent = time.process_time() - start
        if spent > SECONDS:
            spent = _again(name, seed)
    note(f"{name}, share {share}: {made}")
    assert spent < SECONDS
    if isinstance(result, ValueError):
        inner = FIELDS.get(name.rpartition(".")[0], set())
        assert names_an_argument(str(result), called, owner, inner), f"{result!r} names no argument"
        return
    assert list(faults(result, finite=False)) == []
