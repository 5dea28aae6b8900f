"""The examples of the documentation run, and what they promise holds."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from periscope_analytics.errors import Status

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_chain_to_surface():
    path = EXAMPLES / "chain_to_surface.py"
    made = runpy.run_path(str(path))
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    body = [line for line in lines if not line.startswith(("from ", "import ", '"""'))]
    assert len(body) <= 20
    assert len(made["quotes"]) > 10
    assert made["fit"].status is Status.OK
    assert made["certificate"].is_free
    assert made["inside"] > 0.97
    heston = made["heston"]
    assert heston.status is Status.OK
    assert heston.rmse < 0.01
    assert np.all(heston.stderr > 0.0)
