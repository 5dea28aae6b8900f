"""Certificates: free surfaces, and each way of not being free."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_analytics.arbitrage import certificate_grid, certify
from periscope_analytics.surface import Smile, VolSurface
from periscope_analytics.svi import SVIParams

GOOD = SVIParams(0.01, 0.1, -0.4, 0.0, 0.15)
VOGT = SVIParams(-0.041, 0.1331, 0.306, 0.3586, 0.4153)


def _surface(*params):
    return VolSurface([Smile(p, 0.5 * (i + 1)) for i, p in enumerate(params)], [100.0] * len(params))


def test_a_free_surface():
    later = SVIParams(0.02, 0.11, -0.4, 0.0, 0.15)
    certificate = certify(_surface(GOOD, later))
    assert certificate.is_free
    assert certificate.n_butterfly == certificate.n_calendar == 0
    assert certificate.left_wing == pytest.approx(later.left_slope)
    assert certificate.right_wing == pytest.approx(later.right_slope)
    assert certificate.min_g == pytest.approx(
        min(GOOD.g(certificate.grid).min(), later.g(certificate.grid).min())
    )
    difference = later.total_variance(certificate.grid) - GOOD.total_variance(certificate.grid)
    assert certificate.min_calendar == pytest.approx(difference.min())


def test_vogts_butterfly():
    certificate = certify(_surface(VOGT))
    assert not certificate.is_free
    assert certificate.n_butterfly > 0
    assert certificate.min_g == pytest.approx(-0.03286, abs=1e-4)
    assert np.isnan(certificate.min_calendar)


def test_crossing_slices():
    steeper_but_lower = SVIParams(0.002, 0.13, -0.4, 0.0, 0.1)
    certificate = certify(_surface(GOOD, steeper_but_lower))
    assert not certificate.is_free
    assert certificate.n_calendar > 0
    assert certificate.n_butterfly == 0
    assert certificate.min_calendar < 0.0


def test_a_wing_too_steep():
    certificate = certify(_surface(SVIParams(0.5, 1.5, -0.9, 0.0, 0.5)))
    assert certificate.left_wing == pytest.approx(2.85)
    assert not certificate.is_free


def test_negative_variance_counts_as_butterfly_arbitrage():
    certificate = certify(_surface(SVIParams(-0.02, 0.1, 0.0, 0.0, 0.1)))
    assert certificate.n_butterfly > 0
    assert not certificate.is_free


def test_the_grid_follows_from_the_slices():
    surface = _surface(GOOD, VOGT)
    grid = certificate_grid(surface.slices)
    assert np.array_equal(grid, certify(surface).grid)
    shortest = np.sqrt(min(GOOD.total_variance(0.0), VOGT.total_variance(0.0)))
    assert grid.size == 1001
    assert np.diff(grid).min() < 0.01 * shortest
    assert grid[[0, -1]] == pytest.approx([-3.0, 3.0])


def test_no_slices():
    class Empty:
        slices = ()

    with pytest.raises(ValueError, match="surface"):
        certify(Empty())
