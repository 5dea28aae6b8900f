"""Arguments for every public function of the analytics, drawn from ordinary numbers and from the worst ones.

What belongs here: a small coherent market as arguments by name, the poisoning of it, and what is wrong with a
result. What does not: which functions are called (``test_fuzz``).
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import numpy as np

import periscope_analytics
from periscope_analytics import black
from periscope_analytics.arbitrage import Certificate
from periscope_analytics.calibration.result import Calibration
from periscope_analytics.calibration.slices import SliceFits
from periscope_analytics.errors import Status

SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 5e-324, -5e-324, 1e-300, 1e-30, 1e30, 1e308, -1e308]
)
SHARES = (0.0, 0.0, 0.1, 0.3, 1.0)


def modules() -> list[str]:
    """Names of every module of the package but the kernels, which take what their callers have checked."""
    found = pkgutil.walk_packages(periscope_analytics.__path__, "periscope_analytics.")
    return sorted(m.name for m in found if ".kernels" not in m.name)


def public() -> Iterator[tuple[str, Any, type | None]]:
    """Yield (name, callable or property, class or None) of everything public that a module defines."""
    for module_name in modules():
        short = module_name.removeprefix("periscope_analytics.")
        for name, value in vars(importlib.import_module(module_name)).items():
            if (
                name.startswith("_")
                or getattr(value, "__module__", None) != module_name
                or not callable(value)
            ):
                continue
            yield f"{short}.{name}", value, None
            if inspect.isclass(value):
                yield from _members(f"{short}.{name}", value)


def _members(prefix: str, owner: type) -> Iterator[tuple[str, Any, type]]:
    for name, value in vars(owner).items():
        own = value.__func__ if isinstance(value, classmethod) else value
        if not name.startswith("_") and (inspect.isfunction(own) or isinstance(value, property)):
            yield f"{prefix}.{name}", value, owner


def market(rng: np.random.Generator, n: int) -> dict[str, Any]:
    """Return ordinary arguments by name: one market of n quotes in up to three expiries, and its history."""
    tau = np.sort(rng.choice(np.sort(rng.uniform(0.02, 2.0, 3)), n))
    k = np.sort(rng.uniform(-0.4, 0.3, n))
    forward, rate = 100.0, float(rng.uniform(-0.02, 0.06))
    strike, iv = forward * np.exp(k), 0.2 + 0.3 * k * k - 0.1 * k + rng.normal(0.0, 1e-3, n)
    call, put = (black.price(forward, strike, 0.5, iv, side) for side in (True, False))
    otm = black.price(1.0, np.exp(k), 0.5, iv, k >= 0.0)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, n)))
    opened = close * np.exp(rng.normal(0.0, 0.005, n))
    high, low = np.maximum(opened, close) * 1.004, np.minimum(opened, close) * 0.996
    return {
        "forward": forward, "spot": forward, "strike": strike, "k": k, "tau": tau, "vol": iv, "iv": iv,
        "w": iv * iv * 0.5, "is_call": rng.random(n) < 0.5, "discount": float(np.exp(-rate)), "rate": rate,
        "dividend_yield": float(rng.uniform(-0.02, 0.06)), "price": np.maximum(call, put),
        "call_bid": 0.98 * call, "call_ask": 1.02 * call, "put_bid": 0.98 * put, "put_ask": 1.02 * put,
        "price_bid": 0.99 * otm, "price_ask": 1.01 * otm, "weights": rng.uniform(0.5, 2.0, n),
        "open": opened, "close": close, "high": high, "low": low, "times": np.linspace(0.1, 1.0, max(n, 1)),
        "x": rng.normal(0.0, 1.0, n).cumsum(), "dt": float(rng.uniform(0.01, 0.1)),
        "delta": rng.uniform(0.05, 0.5, n),
        "z": rng.uniform(-3.0, 3.0, n), "ratio": np.exp(k), "p": rng.random(n), "level": 120.0, "shift": 0.0,
        "beta": float(rng.random()), "vol_shift": rng.normal(0.0, 0.02, n), "elapsed": 0.01,
        "quantiles": rng.random(n), "tolerance": float(rng.choice([1e-6, 1e-8, 1e-13])), "side": 1.0,
        "grid_points": int(rng.choice([3, 16, 100])), "grid": None, "first": 0.1 * k, "second": 0.1 + k * k,
        "n": 101,
        "curve": np.full(n, rate), "discount_stderr": rng.uniform(1e-5, 1e-3, n), "spread": 0.005,
        "offsets": np.array([0, n // 2, n]), "start": np.array([0, n // 2, n]),
        "status": rng.integers(0, 20, n),
        "window": int(rng.integers(-1, 8)), "n_paths": int(rng.choice([-2, 0, 3, 4, 7, 16])),
        "seed": int(rng.integers(-1, 5)), "longest_step": float(rng.uniform(0.02, 0.5)),
        "antithetic": bool(rng.random() < 0.5),
        "arbitrage_free": bool(rng.random() < 0.5), "global_search": bool(rng.random() < 0.02),
        "is_coin": bool(rng.random() < 0.5),
        "kind": str(rng.choice(["up_out", "up_in", "down_out", "down_in", "sideways"])),
        "dynamics": str(rng.choice(["sticky_strike", "sticky_moneyness", "sideways"])),
        "row": rng.integers(0, 3, n),
        "target": rng.normal(0.0, 1.5, n),
        "fraction": float(rng.random()), "z_scores": rng.normal(0.0, 1.0, n), "pace": 0.7,
    }  # fmt: skip


def poisoned(rng: np.random.Generator, value: Any, share: float) -> Any:
    """Return a number or column of numbers with a share of its elements replaced by special ones."""
    if isinstance(value, float):
        return float(rng.choice(SPECIAL)) if rng.random() < 0.5 * share else value
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return np.where(rng.random(value.shape) < share, rng.choice(SPECIAL, value.shape), value)
    return value


def names_an_argument(
    message: str, function: Callable[..., Any], owner: type | None, inner: set[str]
) -> bool:
    """Whether a ValueError says which argument of the function, or field of its class, is at fault."""
    names = set(inner)
    for each in (function, owner):
        if each is not None:
            names |= set(inspect.signature(each).parameters)
            names |= set(getattr(each, "_fields", ()))
    return any(re.search(rf"\b{re.escape(name)}\b", message) for name in names - {"self", "cls"})


def faults(result: Any, *, finite: bool) -> Iterator[str]:
    """Yield what is wrong: a number absent though its status is OK, or absent though `finite` is asked."""
    if isinstance(result, Calibration):
        yield from _calibration_faults(result)
    elif isinstance(result, SliceFits):
        good = result.status == Status.OK
        if not (np.all(np.isfinite(result.parameters[good])) and np.all(np.isfinite(result.rmse[good]))):
            yield "a slice is OK and not finite"
    elif isinstance(result, Certificate):
        told = (result.min_g, result.left_wing, result.right_wing)
        if result.is_free and not np.all(np.isfinite(told)):
            yield f"free of arbitrage with {told}"
    elif hasattr(result, "status"):
        yield from _status_faults(result)
    elif isinstance(result, np.ndarray | float) and np.asarray(result).dtype.kind == "f":
        if finite and not np.all(np.isfinite(result)):
            yield f"not finite for ordinary arguments: {result}"
    elif isinstance(result, tuple):
        for each in result:
            yield from faults(each, finite=finite)


def _calibration_faults(fit: Calibration[Any]) -> Iterator[str]:
    if fit.params is not None:
        for field in dataclasses.fields(fit.params):
            value = getattr(fit.params, field.name)
            if isinstance(value, float) and not np.isfinite(value):
                yield f"params.{field.name} is {value}, status {fit.status!r}"
    if fit.status is Status.OK and (
        fit.params is None or not np.isfinite(fit.rmse) or not np.isfinite(fit.max_error)
    ):
        yield f"status OK with params {fit.params}, rmse {fit.rmse}, max_error {fit.max_error}"


def _status_faults(result: Any) -> Iterator[str]:
    good = np.asarray(result.status) == Status.OK
    names = getattr(result, "_fields", None) or [field.name for field in dataclasses.fields(result)]
    for name in names:
        value = getattr(result, name)
        if isinstance(value, Enum) or name == "status" or not isinstance(value, float | np.ndarray):
            continue
        if np.any(good & ~np.isfinite(value)):
            yield f"{name} is {value} where status {result.status!r} says OK"
