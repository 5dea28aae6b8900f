"""Slices evaluated together give what each gives by itself."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_analytics import skew, variance
from periscope_analytics.served import ServedSurface
from periscope_analytics.slice import GridRule, SliceParams
from periscope_analytics.smiles import Smiles
from periscope_analytics.vol_errors import Z_NODES, VolErrors

P = np.array([0.01, 0.1, 0.25, 0.5, 0.9, 0.99])


def slices() -> list[SliceParams]:
    grid, knots = GridRule(0.03, -20.0, 8.0, 0.3), (-3.0, -1.0, 0.0, 1.0, 3.0)
    first = SliceParams(0.1, 0.06, knots, (0.5, 0.1, -0.7, -0.6, -0.2), grid, 0.0018)
    second = SliceParams(0.3, 0.1, knots, (0.6, 0.0, -0.5, -0.6, -0.1), grid, 0.005, first)
    surface = ServedSurface((first, second))
    return [first, surface.slice_at(0.2), second]


def test_vols_are_equal_to_the_last_bit() -> None:
    each, k = slices(), np.array([-18.0, -0.4, -0.05, 0.0, 0.02, 0.3, 7.0])
    row = np.repeat(np.arange(len(each)), k.size)
    together = Smiles(each).iv(row, np.tile(k, len(each)))
    assert np.array_equal(together, np.concatenate([one.iv(k) for one in each]))


def test_strikes_quantiles_and_fair_variance_agree() -> None:
    each, delta = slices(), np.array([0.1, 0.25, 0.5, 0.9])
    smiles, row = Smiles(each), np.repeat(np.arange(3), delta.size)
    k = smiles.strikes(row, np.tile([-1.2815515655446004, -0.6744897501960817, 0.0, 1.2815515655446004], 3))
    alone = np.concatenate([skew.strike_for_delta(one, delta, True) for one in each])
    np.testing.assert_allclose(k, alone, rtol=1e-11)
    gain = np.concatenate([skew.delta_gain(one, alone[4 * i : 4 * i + 4]) for i, one in enumerate(each)])
    np.testing.assert_allclose(smiles.delta_gain(row, k), gain, rtol=1e-9)
    np.testing.assert_allclose(smiles.quantiles(P), [one.quantile(P) for one in each], rtol=1e-12)
    fair = [variance.from_slice(one).variance for one in each]
    np.testing.assert_allclose(smiles.fair_variances(), fair, rtol=1e-9)


def test_derivatives_agree() -> None:
    for one in slices():
        k = np.array([-18.0, -0.3, 0.0, 0.1, 7.5])
        smiles, row = Smiles([one]), np.zeros(k.size, np.intp)
        first, second = smiles.derivatives(row, k, smiles.total_variance(row, k))
        np.testing.assert_allclose((first, second), one.derivatives(k), rtol=1e-9, atol=1e-12)


def test_grids_must_be_one() -> None:
    other = SliceParams(0.1, 0.06, (-1.0, 1.0), (0.0, 0.0), GridRule(0.04, -20.0, 8.0, 0.3), 0.0018)
    with pytest.raises(ValueError, match="grid"):
        Smiles([slices()[0], other])
    with pytest.raises(ValueError, match="at least one"):
        Smiles([])


def test_errors_of_many_maturities_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    own = [rng.normal(size=(len(Z_NODES), columns)) for columns in (3, 10, 7)]
    errors = VolErrors([0.1, 0.3, 0.9], [0.2, 0.25, 0.3], own)
    taus, z = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 2.0]), rng.uniform(-14.0, 7.0, (7, 6))
    for one, tau, row in zip(errors.factors_at(z, taus), taus.tolist(), z, strict=True):
        alone = errors.factor(row, tau)
        np.testing.assert_allclose(one @ one.T, alone @ alone.T, rtol=1e-12, atol=1e-15)
