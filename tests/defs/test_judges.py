"""Judges of the asset checks: threshold and observed value, absent figures, history."""

from __future__ import annotations

import pytest

from periscope_assets.definitions import _RULES
from periscope_assets.defs.checks import at_least, at_most, jump, like_history, share


@pytest.mark.parametrize(
    ("judge", "quality", "earlier", "passed", "value"),
    [
        (at_most("x", 2.0), {"x": -3.0}, [], False, -3.0),
        (at_most("x", 2.0), {"x": 2.0}, [], True, 2.0),
        (at_most("x", 2.0), {"x": None}, [], False, None),
        (at_most("x", 2.0, absent_passes=True), {}, [], True, None),
        (at_least("x", 0.95), {"x": 0.94}, [], False, 0.94),
        (at_least("x", 0.95), {"x": True}, [], False, None),
        (share("bad", "all", 0.25), {"bad": 3, "all": 10}, [], False, 0.3),
        (share("bad", "all", 0.25), {"bad": 0, "all": 0}, [], True, 0.0),
        (jump("f", 0.1), {"f": 120.0}, [{"f": 50.0}, {"f": 100.0}], False, pytest.approx(0.2)),
        (jump("f", 0.1), {"f": 120.0}, [], True, None),
        (like_history("n", 2.0), {"n": 10}, [{"n": 30}, {"n": 31}, {"n": 29}], False, pytest.approx(1 / 3)),
        (like_history("n", 2.0), {"n": 40}, [{"n": 30}, {"n": 31}, {"n": 29}], True, pytest.approx(4 / 3)),
        (like_history("n", 2.0), {"n": 40}, [{"n": 1}], True, None),
    ],
)
def test_verdicts(judge, quality, earlier, passed, value):
    verdict = judge(quality, earlier)
    assert (verdict.passed, verdict.value) == (passed, value)


def test_each_check_says_what_it_looks_at():
    names = {(rule.asset, rule.name) for rule in _RULES}
    assert len(names) == len(_RULES)
    assert {name for _, name in names} >= {
        "completeness", "rejection_rate", "parity_residual", "forward_jump", "vendor_reconciliation",
        "fit_rmse", "inside_band", "certificate", "stable", "like_history",
    }  # fmt: skip
    assert all(rule.description.endswith(".") for rule in _RULES)
