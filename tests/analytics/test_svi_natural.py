"""The natural chart of SVI: round trips, and its own formula."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.svi import SVIParams

K = np.linspace(-2.0, 2.0, 41)


@given(
    delta=st.floats(-0.1, 0.2),
    mu=st.floats(-0.5, 0.5),
    rho=st.floats(-0.95, 0.95),
    omega=st.floats(0.001, 2.0),
    zeta=st.floats(0.05, 20.0),
)
def test_natural_chart_is_equation_3_2_and_comes_back(delta, mu, rho, omega, zeta):
    params = SVIParams.from_natural(delta, mu, rho, omega, zeta)
    x = zeta * (K - mu)
    expected = delta + 0.5 * omega * (1.0 + rho * x + np.sqrt((x + rho) ** 2 + 1.0 - rho**2))
    assert np.allclose(params.total_variance(K), expected, rtol=1e-12, atol=1e-12)
    assert np.allclose(params.to_natural(), (delta, mu, rho, omega, zeta), rtol=1e-10, atol=1e-12)


def test_raw_comes_back_from_natural():
    raw = SVIParams(0.04, 0.2, -0.4, 0.05, 0.1)
    assert astuple(SVIParams.from_natural(*raw.to_natural())) == pytest.approx(astuple(raw), rel=1e-14)


def test_charts_that_do_not_exist_are_named():
    with pytest.raises(ValueError, match="rho"):
        SVIParams(0.04, 0.2, -1.0, 0.0, 0.1).to_natural()
    with pytest.raises(ValueError, match="rho"):
        SVIParams.from_natural(0.0, 0.0, 1.0, 0.1, 1.0)
    with pytest.raises(ValueError, match="zeta"):
        SVIParams.from_natural(0.0, 0.0, 0.5, 0.1, 0.0)
