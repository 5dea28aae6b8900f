"""The exact checks of SVI smiles agree with dense grids, and decide the textbook cases."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.kernels import svi_check
from periscope_analytics.svi import SVIParams

DENSE = np.concatenate([np.linspace(-4.0, 4.0, 16_001), np.sinh(np.linspace(-9.0, 9.0, 2_001))])
VOGT = SVIParams(-0.041, 0.1331, 0.306, 0.3586, 0.4153)

smiles = st.builds(
    SVIParams,
    a=st.floats(-0.02, 0.05),
    b=st.floats(0.0, 1.9),
    rho=st.floats(-1.0, 1.0),
    m=st.floats(-0.5, 0.5),
    sigma=st.floats(0.005, 1.0),
)


def row(smile):
    return np.array(astuple(smile))


@given(smile=smiles)
def test_free_smiles_have_no_negative_density(smile):
    with np.errstate(all="ignore"):
        g = smile.g(DENSE)
    least = np.min(np.where(np.isnan(g), -1.0, g))
    free = svi_check.is_free(row(smile))
    steepest = max(smile.left_slope, smile.right_slope)
    if free:
        assert least >= -1e-9
        assert smile.least_variance > 0.0
        assert steepest <= 2.0
    elif smile.least_variance > 1e-9 and steepest <= 2.0 and least > 1e-3:
        far = np.sinh(np.linspace(-30.0, 30.0, 200_001))
        assert np.nanmin(smile.g(far)) < 1e-3


def test_textbook_smiles():
    assert not svi_check.is_free(row(VOGT))
    assert svi_check.is_free(row(SVIParams(0.04, 0.0, 0.0, 0.0, 0.1)))
    assert not svi_check.is_free(row(SVIParams(0.04, 1.2, 0.9, 0.0, 0.1)))
    assert not svi_check.is_free(np.full(5, np.nan))


@given(upper=smiles, lower=smiles, lift=st.floats(0.0, 0.2))
def test_order_is_that_of_a_dense_grid(upper, lower, lift):
    shifted = SVIParams(upper.a + lift, upper.b, upper.rho, upper.m, upper.sigma)
    gap = np.min((shifted.total_variance(DENSE) - lower.total_variance(DENSE)) / (1.0 + np.abs(DENSE)))
    if svi_check.lies_above(row(shifted), row(lower)):
        assert gap >= -1e-12
    elif shifted.left_slope > lower.left_slope + 1e-3 and shifted.right_slope > lower.right_slope + 1e-3:
        assert gap < 1e-6


@given(smile=smiles, lift=st.floats(1e-6, 0.1))
def test_a_raised_smile_is_above_itself(smile, lift):
    raised = SVIParams(smile.a + lift, smile.b, smile.rho, smile.m, smile.sigma)
    assert svi_check.lies_above(row(smile), row(smile))
    assert svi_check.lies_above(row(raised), row(smile))
    assert not svi_check.lies_above(row(smile), row(raised))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308, 5e-324])
def test_no_parameters_make_the_checks_hang(bad):
    for i in range(5):
        x = row(VOGT)
        x[i] = bad
        assert svi_check.is_free(x) in {True, False}
        assert svi_check.lies_above(x, row(VOGT)) in {True, False}
        assert svi_check.lies_above(row(VOGT), x) in {True, False}
