"""Every kernel gives the same numbers with and without the compiler.

A new kernel is found by itself: it must run in ``kernel_cases``, or stand below with its reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[2]
NOT_REACHED = {
    "fused._compiled_fused": "tells the compiler what to put for `fused`; never runs as Python"
} | {
    f"lanes._{name}": "tells the compiler what to put for a function of lanes; never runs as Python"
    for name in (
        *(
            "compare",
            "emit",
            "intrinsic",
            "lanewise",
            "load_kind",
            "lower_load",
            "lower_spread",
            "lower_store",
        ),
        *("mask", "narrow_inverse_root", "narrow_root", "number", "pointer", "signatures", "spread_kind"),
        *("store_kind", "widened"),
    )
}
TOLERANCE = {"heston": 1e-9, "alone": 1e-9, "essvi": 1e-7, "served": 1e-7, "svi": 1e-7, "sabr": 1e-8}
"""Where an iteration, or a sum in another order, leaves more than rounding; elsewhere 1e-12."""

pytestmark = pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="this compares with the compiler")


@cache
def _told(compiled: bool) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}
    environment |= (
        {"PYTHONPATH": str(PROJECT)} if compiled else {"PYTHONPATH": str(PROJECT), "NUMBA_DISABLE_JIT": "1"}
    )
    command = [sys.executable, "-m", "tests.analytics.kernel_cases"]
    run = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    told: dict[str, Any] = json.loads(run.stdout)
    return told


def test_every_kernel_runs_as_python():
    told = _told(compiled=False)
    unreached = sorted(set(told["functions"]) - set(told["ran"]))
    assert unreached == sorted(NOT_REACHED)


def test_numbers_are_the_compilers():
    compiled, interpreted = _told(compiled=True)["numbers"], _told(compiled=False)["numbers"]
    assert compiled.keys() == interpreted.keys()
    for name, numbers in compiled.items():
        within = TOLERANCE.get(name, 1e-12)
        np.testing.assert_allclose(interpreted[name], numbers, rtol=within, atol=1e-13, err_msg=name)
