"""One instruction for a b + c, which compiled kernels get without giving up strict arithmetic.

What belongs here: this one function, the only thing that kernels import from each other: an edit here is not
seen by numba's cache of its callers, but what it means cannot change. What does not: mathematics.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic, overload


@intrinsic
def _multiply_add(_context: Any, _a: Any, _b: Any, _c: Any) -> Any:
    """Emit LLVM's fmuladd: one rounding where the processor has it in one instruction, else two."""
    double = ir.DoubleType()

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        shape = ir.FunctionType(double, [double, double, double])
        return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [double], shape), arguments)

    return types.float64(types.float64, types.float64, types.float64), emit


def fused(a: float, b: float, c: float) -> float:
    """Return a b + c, which kernels compile to one instruction."""
    return a * b + c


@overload(fused)
def _compiled_fused(_a: Any, _b: Any, _c: Any) -> Any:
    def compiled(_a: Any, _b: Any, _c: Any) -> Any:
        return _multiply_add(_a, _b, _c)

    return compiled
