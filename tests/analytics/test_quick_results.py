"""The short ways of fits of a few microseconds give what the long ways give."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from periscope_analytics.calibration.result import Calibration, assembled
from periscope_analytics.calibration.slices import contiguous_columns, two_columns
from periscope_analytics.errors import Status

NAMES = ("k", "w")
X, Y = np.linspace(-0.5, 0.5, 7), np.linspace(0.1, 0.2, 7)


def test_an_assembled_result_is_a_calibration():
    values = ({"a": 1}, Status.AT_BOUND, 0.1, 0.2, X, Y, 3, 4)
    quick, long = assembled(*values), Calibration(*values)
    assert type(quick) is Calibration
    assert all(getattr(quick, each.name) is getattr(long, each.name) for each in fields(Calibration))
    with pytest.raises(FrozenInstanceError):
        quick.rmse = 0.0
    with pytest.raises(AttributeError):
        _ = quick.__dict__


def frozen(x):
    copied = x.copy()
    copied.flags.writeable = False
    return copied


@pytest.mark.parametrize(
    ("x", "y", "weights"),
    [
        (X, Y, None),
        (X, Y, Y),
        (X.tolist(), Y, None),
        (X, 0.04, None),
        (np.repeat(X, 2)[::2], Y, None),
        (X.astype(np.float32), Y, None),
        (X, frozen(Y), None),
        (np.array(0.1), np.array(0.2), None),
        (np.empty(0), np.empty(0), None),
        (np.linspace(-1.0, 1.0, 3000), np.linspace(0.1, 0.2, 3000), None),
    ],
)
def test_two_columns_are_the_columns(x, y, weights):
    got = two_columns(weights, NAMES, x, y)
    (k, w), q = contiguous_columns(weights, k=x, w=y)
    for each, expected in zip(got, (k, w, q), strict=True):
        assert np.array_equal(each, expected)
        assert each.dtype == np.float64
        assert each.ndim == 1
        assert each.flags.carray


def test_what_needs_no_copy_is_not_copied():
    k, w, _ = two_columns(None, NAMES, X, Y)
    assert k is X
    assert w is Y


@pytest.mark.parametrize(
    ("x", "y", "weights", "message"),
    [
        (X, Y[:-1], None, "shapes do not broadcast: k"),
        (X.reshape(1, 7), Y.reshape(1, 7), None, "k: expected one dimension"),
        (X, Y, -Y, "weights: must not be negative"),
    ],
)
def test_two_columns_name_what_is_wrong(x, y, weights, message):
    with pytest.raises(ValueError, match=message):
        two_columns(weights, NAMES, x, y)
