"""Slices evaluated together give what each gives by itself."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_analytics import skew, variance
from periscope_analytics.event_time import EVEN, Clock, Passage, passage, shares
from periscope_analytics.served import ServedSurface
from periscope_analytics.slice import GridRule, SliceParams
from periscope_analytics.smiles import Smiles
from periscope_analytics.vol_errors import MISFIT, MISFIT_BETWEEN, Z_NODES, VolErrors

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


ENDS = np.array([0.1, 0.3, 0.9])


def with_event() -> Passage:
    """Seven tenths of the rise to the second expiry, and half of that to the first, come at events."""
    clock = Clock(np.datetime64("2026-03-20T12:00"), np.array([], "datetime64[D]"), 1.0)
    first, second = (shares(*each, clock, jump, np.array([at])) for each, jump, at in
                     (((0.0, 0.1), 0.5, 0.06), ((0.1, 0.3), 0.7, 0.25)))  # fmt: skip
    return passage(ENDS, ENDS, np.array([0.2, 0.25, 0.3]) ** 2 * ENDS, [first, second, None])


def test_errors_between_expiries_are_weighed_by_the_variance_that_has_come() -> None:
    rows = np.ones((len(Z_NODES), 1))
    errors = VolErrors(ENDS.tolist(), [0.2, 0.25, 0.3], [0.01 * rows, 0.02 * rows, 0.03 * rows], with_event())
    w = np.array([0.2, 0.25]) ** 2 * ENDS[:2]
    for tau, share in ((0.2, 0.15), (0.25, 0.925), (0.29, 0.985)):
        total = w[0] + share * (w[1] - w[0])
        parts = np.array([(1.0 - share) * 0.2 * 0.1 * 0.01, share * 0.25 * 0.3 * 0.02])
        misfit = np.hypot(MISFIT, 2.0 * np.sqrt(share * (1.0 - share)) * MISFIT_BETWEEN) * np.sqrt(
            total / tau
        )
        expected = np.sqrt(np.sum(parts**2) / (total * tau) + misfit**2)
        assert errors.stderr([0.3], tau)[0] == pytest.approx(expected, rel=1e-9)
    vol = 0.2 * np.sqrt(0.25 * 0.1 / 0.05)
    assert errors.stderr([0.3], 0.05)[0] == pytest.approx(np.hypot(0.01 * vol / 0.2, MISFIT * vol), rel=1e-9)


@pytest.mark.parametrize("moved", [EVEN, with_event()])
def test_errors_of_many_maturities_are_those_of_each(moved: Passage) -> None:
    rng = np.random.default_rng(0)
    own = [rng.normal(size=(len(Z_NODES), columns)) for columns in (3, 10, 7)]
    errors = VolErrors(ENDS.tolist(), [0.2, 0.25, 0.3], own, moved)
    taus, z = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.9, 2.0]), rng.uniform(-14.0, 7.0, (7, 6))
    for one, tau, row in zip(errors.factors_at(z, taus), taus.tolist(), z, strict=True):
        alone = errors.factor(row, tau)
        np.testing.assert_allclose(one @ one.T, alone @ alone.T, rtol=1e-12, atol=1e-15)
