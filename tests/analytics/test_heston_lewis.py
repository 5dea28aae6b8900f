"""Lewis's fifteen-digit Heston prices."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from periscope_analytics.heston import HestonParams

REFERENCE = Path(__file__).parents[1] / "reference" / "heston_lewis.csv"
PARAMS = HestonParams(v0=0.04, kappa=4.0, theta=0.25, sigma=1.0, rho=-0.5)
SPOT, RATE, YIELD, TAU = 100.0, 0.01, 0.02, 1.0


@pytest.fixture(scope="module")
def table():
    with REFERENCE.open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {name: np.array([float(row[name]) for row in rows]) for name in ("strike", "put", "call")}


@pytest.mark.parametrize(("tolerance", "error"), [(1e-8, 1e-8), (1e-10, 1e-10), (1e-13, 1e-13)])
@pytest.mark.parametrize("side", ["call", "put"])
def test_prices(table, side, tolerance, error):
    forward, discount = SPOT * math.exp((RATE - YIELD) * TAU), math.exp(-RATE * TAU)
    ours = PARAMS.price(forward, table["strike"], TAU, side == "call", discount, tolerance=tolerance)
    assert np.max(np.abs(ours / table[side] - 1.0)) < error
