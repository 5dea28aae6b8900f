"""Eight doubles in one value, which compiled kernels keep in vector registers.

What belongs here: the value, and what can be done with it lane by lane. Compiled, it is LLVM's
``<8 x double>``, which fits whatever registers there are; not compiled, an array of eight. What does not:
mathematics. An edit here is not seen by numba's cache of its callers, but what these functions mean cannot
change.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import typing
from numba.core.typing.templates import AbstractTemplate, infer, infer_global
from numba.extending import lower_builtin, models, register_model, type_callable
from numpy.typing import NDArray

Lanes = NDArray[np.float64]
Marks = NDArray[np.bool_]

WIDTH = 8


def load(a: Lanes, at: int) -> Lanes:
    """Return the eight doubles that begin at place `at` of a contiguous row."""
    return a[at : at + WIDTH].copy()


def store(a: Lanes, at: int, x: Lanes) -> None:
    """Write eight doubles to a contiguous row, from place `at` on."""
    a[at : at + WIDTH] = x


def spread(x: float) -> Lanes:
    """Return one number in every lane."""
    return np.full(WIDTH, x)


def fused_lanes(a: Lanes | float, b: Lanes | float, c: Lanes | float) -> Lanes:
    """Return a b + c, one instruction."""
    return np.asarray(a * b + c)


def root(x: Lanes) -> Lanes:
    """Return the square root."""
    return np.sqrt(x)


def near_inverse_root(x: Lanes) -> Lanes:
    """Return 1 / sqrt(x) to 2e-7 relative, for x within single precision's range."""
    return (np.float32(1.0) / np.sqrt(x.astype(np.float32))).astype(np.float64)


def near_root(x: Lanes) -> Lanes:
    """Return sqrt(x) to 1e-7 relative, for x within single precision's range."""
    return np.sqrt(x.astype(np.float32)).astype(np.float64)


def choose(where: Marks, x: Lanes, y: Lanes) -> Lanes:
    """Return x where marked, y elsewhere."""
    return np.where(where, x, y)


def some(where: Marks) -> bool:
    """Return whether any lane is marked."""
    return bool(where.any())


def every(where: Marks) -> bool:
    """Return whether all lanes are marked."""
    return bool(where.all())


class _LanesType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__("eight_lanes")


class _MarksType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__("eight_marks")


LANES, MARKS = _LanesType(), _MarksType()
_EIGHT, _SINGLES = ir.VectorType(ir.DoubleType(), WIDTH), ir.VectorType(ir.FloatType(), WIDTH)
_BITS = ir.VectorType(ir.IntType(1), WIDTH)


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _EIGHT)


@register_model(_MarksType)
class _MarksModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _BITS)


Emit = Callable[..., Any]
_ROW, _INDEX = types.Array(types.float64, 1, "C"), types.intp


def _widened(builder: Any, kind: Any, value: Any) -> Any:
    """Return a value as eight lanes: a number stands in each."""
    if kind in (LANES, MARKS):
        return value
    if isinstance(kind, types.Integer):
        value = builder.sitofp(value, ir.DoubleType())
    elif value.type != ir.DoubleType():
        value = builder.fpext(value, ir.DoubleType())
    first = builder.insert_element(ir.Constant(_EIGHT, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(first, ir.Constant(_EIGHT, ir.Undefined), order)


def _intrinsic(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """Call one of LLVM's functions of vectors."""
    module = builder.module
    if name not in module.globals:
        ir.Function(module, ir.FunctionType(result, [each.type for each in arguments]), name)
    return builder.call(module.globals[name], arguments)


def _number(kind: Any) -> bool:
    return isinstance(kind, types.Float | types.Integer)


def _lanewise(function: Any, result: Any, emit: Emit, *masks: bool) -> None:
    """Let compiled code call a function of lanes; numbers among its arguments stand for eight."""

    def kind(_self: Any, kinds: Any, _names: Any) -> Any:
        fits = len(kinds) == len(masks) and all(
            each is MARKS if mask else each is LANES or _number(each)
            for each, mask in zip(kinds, masks, strict=True)
        )
        return typing.signature(result, *kinds) if fits and (LANES in kinds or MARKS in kinds) else None

    template = type("_Lanewise", (AbstractTemplate,), {"key": function, "generic": kind})
    infer(template)
    infer_global(function, types.Function(template))

    def lower(_context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        given = zip(signature.args, arguments, strict=True)
        return emit(builder, *(_widened(builder, kind, value) for kind, value in given))

    for kinds in _signatures(masks):
        lower_builtin(function, *kinds)(lower)


def _signatures(masks: tuple[bool, ...]) -> list[tuple[Any, ...]]:
    """Return the kinds of arguments that lower alike."""
    every: list[tuple[Any, ...]] = [()]
    for mask in masks:
        options = (MARKS,) if mask else (LANES, types.Float, types.Integer)
        every = [(*one, option) for one in every for option in options]
    return every


def _compare(symbol: str) -> Emit:
    return lambda builder, x, y: builder.fcmp_ordered(symbol, x, y)


for _function, _emit in (
    (operator.add, lambda builder, x, y: builder.fadd(x, y)),
    (operator.sub, lambda builder, x, y: builder.fsub(x, y)),
    (operator.mul, lambda builder, x, y: builder.fmul(x, y)),
    (operator.truediv, lambda builder, x, y: builder.fdiv(x, y)),
):
    _lanewise(_function, LANES, _emit, False, False)
for _function, _symbol in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">=")):
    _lanewise(_function, MARKS, _compare(_symbol), False, False)
_lanewise(operator.and_, MARKS, lambda builder, x, y: builder.and_(x, y), True, True)
_lanewise(operator.or_, MARKS, lambda builder, x, y: builder.or_(x, y), True, True)
_lanewise(operator.invert, MARKS, lambda builder, x: builder.not_(x), True)
_lanewise(operator.neg, LANES, lambda builder, x: builder.fneg(x), False)
_lanewise(abs, LANES, lambda builder, x: _intrinsic(builder, "llvm.fabs.v8f64", _EIGHT, x), False)
_lanewise(root, LANES, lambda builder, x: _intrinsic(builder, "llvm.sqrt.v8f64", _EIGHT, x), False)
_lanewise(choose, LANES, lambda builder, where, x, y: builder.select(where, x, y), True, False, False)
_lanewise(
    fused_lanes,
    LANES,
    lambda builder, a, b, c: _intrinsic(builder, "llvm.fmuladd.v8f64", _EIGHT, a, b, c),
    *(False,) * 3,
)


def _narrow_root(builder: Any, x: Any) -> Any:
    return _intrinsic(builder, "llvm.sqrt.v8f32", _SINGLES, builder.fptrunc(x, _SINGLES))


def _narrow_inverse_root(builder: Any, x: Any) -> Any:
    return builder.fdiv(ir.Constant(_SINGLES, [1.0] * WIDTH), _narrow_root(builder, x))


_lanewise(near_root, LANES, lambda builder, x: builder.fpext(_narrow_root(builder, x), _EIGHT), False)
_lanewise(
    near_inverse_root,
    LANES,
    lambda builder, x: builder.fpext(_narrow_inverse_root(builder, x), _EIGHT),
    False,
)


def _mask(builder: Any, where: Any) -> Any:
    return builder.bitcast(where, ir.IntType(WIDTH))


_NONE, _ALL = ir.Constant(ir.IntType(WIDTH), 0), ir.Constant(ir.IntType(WIDTH), -1)
_lanewise(
    some,
    types.boolean,
    lambda builder, where: builder.icmp_unsigned("!=", _mask(builder, where), _NONE),
    True,
)
_lanewise(
    every,
    types.boolean,
    lambda builder, where: builder.icmp_unsigned("==", _mask(builder, where), _ALL),
    True,
)


@type_callable(spread)
def _spread_kind(_context: Any) -> Any:
    return lambda x: LANES if _number(x) else None


@lower_builtin(spread, types.Float)
@lower_builtin(spread, types.Integer)
def _lower_spread(_context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return _widened(builder, signature.args[0], arguments[0])


def _pointer(context: Any, builder: Any, kind: Any, row: Any, index_kind: Any, at: Any) -> Any:
    """Return the address of eight doubles in a row."""
    data = context.make_array(kind)(context, builder, row).data
    place = context.cast(builder, at, index_kind, _INDEX)
    return builder.bitcast(builder.gep(data, [place]), _EIGHT.as_pointer())


@type_callable(load)
def _load_kind(_context: Any) -> Any:
    def typer(row: Any, at: Any) -> Any:
        fits = isinstance(row, types.Array) and (row.dtype, row.ndim, row.layout) == (types.float64, 1, "C")
        return LANES if fits and isinstance(at, types.Integer) else None

    return typer


@type_callable(store)
def _store_kind(_context: Any) -> Any:
    def typer(row: Any, at: Any, x: Any) -> Any:
        fits = isinstance(row, types.Array) and (row.dtype, row.ndim, row.layout) == (types.float64, 1, "C")
        return types.void if fits and isinstance(at, types.Integer) and x is LANES else None

    return typer


@lower_builtin(load, types.Array, types.Integer)
def _lower_load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    row, at = signature.args
    return builder.load(_pointer(context, builder, row, arguments[0], at, arguments[1]), align=8)


@lower_builtin(store, types.Array, types.Integer, LANES)
def _lower_store(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    row, at, _ = signature.args
    builder.store(arguments[2], _pointer(context, builder, row, arguments[0], at, arguments[1]), align=8)
    return context.get_dummy_value()
