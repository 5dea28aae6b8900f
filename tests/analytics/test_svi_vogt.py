"""Vogt's smile, the textbook case of butterfly arbitrage in raw SVI, and its two published repairs."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from periscope_analytics.svi import SVIParams

CASE = json.loads((Path(__file__).parents[1] / "reference" / "svi_vogt.json").read_text())
VOGT = SVIParams(**CASE["raw"])
K = np.linspace(-1.5, 1.5, 300_001)


def test_jump_wings_are_the_published_ones():
    for name, published in CASE["jump_wings"].items():
        assert getattr(VOGT.to_jump_wings(CASE["tau"]), name) == pytest.approx(published, rel=5e-7)


def test_jump_wings_there_and_back():
    back = SVIParams.from_jump_wings(*VOGT.to_jump_wings(0.7), tau=0.7)
    assert astuple(back) == pytest.approx(astuple(VOGT), rel=1e-12)


def test_g_is_negative_where_it_should_be():
    g = VOGT.g(K)
    assert g.min() == pytest.approx(CASE["recomputed_least_g"], abs=1e-9)
    assert K[g.argmin()] == pytest.approx(CASE["recomputed_least_g_at"], abs=2e-5)
    assert K[g < 0.0][[0, -1]] == pytest.approx(CASE["recomputed_negative_g"], abs=2e-5)


@pytest.mark.parametrize("repair", ["repair_guaranteed", "repair_optimal"])
def test_repairs(repair):
    case, wings = CASE[repair], VOGT.to_jump_wings(CASE["tau"])
    ours = SVIParams.from_jump_wings(wings.v, wings.psi, wings.p, case["c"], case["v_tilde"], tau=CASE["tau"])
    assert astuple(ours) == pytest.approx(tuple(case["recomputed_raw"].values()), rel=1e-6)
    assert ours.g(K).min() == pytest.approx(case["recomputed_least_g"], abs=1e-6)
    assert ours.g(np.linspace(-40.0, 40.0, 80_001)).min() >= 0.0
