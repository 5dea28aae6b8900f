"""SVI surfaces: proven free of butterfly and calendar arbitrage, and close to fits of each expiry alone."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration import fit_svi, fit_svi_surface
from periscope_analytics.errors import Status
from periscope_analytics.kernels import svi_check
from periscope_analytics.svi import SVIParams
from tests.profiles import few

TAUS = np.array([0.02, 0.1, 0.12, 0.5, 1.0, 2.0])


def quotes(seed, noise, n=15, crossing=0.0):
    """Vols of smiles ordered in time; noise and `crossing` upset the order."""
    rng = np.random.default_rng(seed)
    columns = []
    for i, tau in enumerate(TAUS):
        level = 0.04 * tau * (1.0 + crossing * (-1.0) ** i)
        smile = SVIParams(0.5 * level, 0.12 * np.sqrt(tau), -0.5, 0.02 * np.sqrt(tau), 0.3 * np.sqrt(tau))
        k = np.sqrt(tau) * np.linspace(-1.0, 0.6, n)
        vol = smile.iv(k, tau) * np.exp(noise * rng.standard_normal(n))
        columns.append(np.stack([k, np.full(n, tau), vol]))
    return np.concatenate(columns, axis=1)


def proven(surface):
    rows = [np.array(astuple(each.params)) for each in surface.slices]
    pairs = zip(rows[1:], rows[:-1], strict=True)
    return all(svi_check.is_free(x) for x in rows) and all(svi_check.lies_above(b, a) for a, b in [
        (low, high) for high, low in pairs
    ])  # fmt: skip


@few(10)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.0, 0.05), crossing=st.floats(0.0, 0.6))
def test_every_surface_is_free(seed, noise, crossing):
    fit = fit_svi_surface(*quotes(seed, noise, crossing=crossing))
    assert fit.params is not None
    assert proven(fit.params)
    assert certify(fit.params).is_free


def test_quotes_in_order_are_fitted_as_if_alone():
    k, tau, iv = quotes(1, 0.0)
    fit = fit_svi_surface(k, tau, iv, forwards=100.0)
    assert fit.status is Status.OK
    assert fit.max_error < 1e-6
    for one, each in zip(fit.taus, fit.slices, strict=True):
        here = tau == one
        alone = fit_svi(k[here], iv[here] ** 2 * one)
        assert astuple(each.params) == pytest.approx(astuple(alone.params), rel=1e-9)
    assert fit.params.forwards == (100.0,) * TAUS.size


def test_unusable_expiries_are_left_out():
    k, tau, iv = quotes(2, 0.01)
    iv[tau == 0.1] = np.nan
    iv[0] = -1.0
    fit = fit_svi_surface(k, tau, iv, forwards=np.arange(1.0, 7.0))
    assert fit.slices[1].status is Status.TOO_FEW_STRIKES
    assert fit.params.forwards == (1.0, 3.0, 4.0, 5.0, 6.0)
    assert np.isnan(fit.residuals[0])
    assert certify(fit.params).is_free


def test_nothing_to_fit_and_bad_arguments():
    fit = fit_svi_surface([], [], [])
    assert fit.status is Status.TOO_FEW_STRIKES
    assert fit.params is None
    nasty = np.array([np.nan, np.inf, -np.inf, 0.0, 1e308, 5e-324])
    for value in nasty:
        assert fit_svi_surface(nasty, np.full(6, value), nasty).params is None
        assert fit_svi_surface(np.linspace(-1, 1, 6), np.full(6, 1.0), np.full(6, value)).params is None
    with pytest.raises(ValueError, match="forwards"):
        fit_svi_surface(*quotes(1, 0.0), forwards=[1.0, 2.0])
    with pytest.raises(ValueError, match="weights"):
        fit_svi_surface(*quotes(1, 0.0), weights=-1.0)


@pytest.mark.data
def test_spx_is_free_and_the_order_costs_little(recorded):
    from tests.analytics.test_ssvi_recorded import mid_vols

    k, tau, iv, vega = mid_vols(recorded)
    weight = vega / (2.0 * iv * tau) ** 2
    fit = fit_svi_surface(k, tau, iv, weight)
    assert certify(fit.params).is_free
    assert proven(fit.params)
    assert len(fit.params.slices) >= 55
    alone = np.full(k.size, np.nan)
    for one in fit.taus:
        here = tau == one
        alone[here] = fit_svi(k[here], iv[here] ** 2 * one, weight[here]).params.iv(k[here], one) - iv[here]
    longer = tau > 0.02
    ordered, free = (
        np.sqrt(np.nansum((vega * r**2)[longer]) / vega[longer].sum()) for r in (fit.residuals, alone)
    )
    assert ordered < 1.1 * free
