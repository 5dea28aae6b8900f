"""SVI under the conditions against butterfly arbitrage: as good as the slower search."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from periscope_analytics.calibration.objective import standard_errors
from periscope_analytics.calibration.svi import fit_svi, fit_within, optima
from periscope_analytics.kernels import svi as kernel
from periscope_analytics.kernels import svi_check, svi_within
from periscope_analytics.svi import SVIParams

VOGT = SVIParams(-0.041, 0.1331, 0.306, 0.3586, 0.4153)


def _both(k, w, weight):
    """Return the fit, and that of the penalised search from the same optimum without conditions."""
    found, row = optima(k, w, weight)
    return found, fit_within(k, w, weight, row)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_smile_with_arbitrage_is_replaced_by_the_closest_without(side):
    k = np.linspace(-1.5, 1.5, 61)
    w = VOGT.total_variance(side * k)
    found, slow = _both(k, w, np.ones(k.size))
    assert svi_check.is_free(np.array(astuple(found.params)))
    assert found.residuals @ found.residuals <= 1.001 * (slow.residuals @ slow.residuals)
    np.testing.assert_allclose(found.residuals, found.params.total_variance(k) - w, atol=1e-15)


def test_the_search_itself_leaves_errors_and_residuals():
    k = np.linspace(-1.5, 1.5, 61)
    w, weight, bounds, order = VOGT.total_variance(k), np.ones(k.size), np.array([0, k.size]), np.array([0])
    facts, fits, residuals = np.empty((1, kernel.FACTS)), np.empty((1, svi_check.N_OUT)), np.empty(k.size)
    kernel.fit_slices(k, w, weight, bounds, order, facts)
    svi_check.judge(facts, order, k, w, bounds, fits, residuals)
    assert fits[0, svi_check.FREE] == 0.0
    svi_within.fit_slices(k, w, weight, bounds, fits)
    assert fits[0, svi_check.FREE] == svi_within.UNPROVEN
    svi_check.judge_bound(k, w, bounds, fits, residuals)
    assert fits[0, svi_check.FREE] == 1.0
    _, b, rho, m, sigma = fits[0, : kernel.N]
    root = np.hypot(k - m, sigma)
    slopes = [k * 0.0 + 1.0, rho * (k - m) + root, b * (k - m), -b * (rho + (k - m) / root), b * sigma / root]
    errors, identified = standard_errors(np.stack(slopes, axis=1), 0.5 * float(residuals @ residuals))
    assert identified
    np.testing.assert_allclose(fits[0, svi_check.STDERR : svi_check.STDERR + kernel.N], errors, rtol=1e-6)


@pytest.mark.data
def test_recorded_slices_are_fitted_as_well_as_by_the_slower_search(recorded):
    from tests.analytics.test_ssvi_recorded import mid_vols

    k, tau, iv, vega = mid_vols(recorded)
    bound = 0
    for one in np.unique(tau)[::4]:
        here = tau == one
        x, w, weight = k[here], iv[here] ** 2 * one, vega[here] / (2.0 * iv[here] * one) ** 2
        found, slow = _both(x, w, weight)
        if found.params != fit_svi(x, w, weight, arbitrage_free=False).params:
            bound += 1
            fast, reference = (np.nansum(weight * each.residuals**2) for each in (found, slow))
            assert fast <= 1.001 * reference
    assert bound >= 5
