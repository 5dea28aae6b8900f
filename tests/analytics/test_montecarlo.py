"""Monte Carlo paths: European prices of the transform, martingales, and closed forms of path payoffs."""

from __future__ import annotations

import numpy as np
import pytest

from periscope_analytics import black, montecarlo
from periscope_analytics.heston import HestonParams

SMOOTH = HestonParams(0.04, 2.0, 0.05, 0.4, -0.6)
ROUGH = HestonParams(0.04, 0.5, 0.04, 1.0, -0.9)
UPWARD = HestonParams(0.09, 1.0, 0.09, 1.0, 0.3)
BLACK = HestonParams(0.04, 1.0, 0.04, 0.0, -0.5)
STRIKES = np.array([80.0, 100.0, 120.0])
MONTHS = np.arange(1, 13) / 12.0


@pytest.mark.parametrize(
    ("params", "tau"), [(SMOOTH, 1.0), (ROUGH, 2.0), (UPWARD, 1.0), (BLACK, 0.5), (SMOOTH, 0.02)]
)
def test_european_prices_are_those_of_the_transform(params, tau):
    paths = montecarlo.simulate(params, tau, 100_000, seed=11, longest_step=1.0 / 64.0)
    for is_call in (True, False):
        estimate = montecarlo.european(paths, 100.0, STRIKES, is_call, discount=0.97)
        exact = params.price(100.0, STRIKES, tau, is_call, 0.97)
        assert np.all(np.abs(estimate.value - exact) < 3.0 * estimate.stderr + 1e-6)
        assert np.all(estimate.stderr < 0.15)


@pytest.mark.parametrize("params", [SMOOTH, ROUGH, UPWARD])
def test_paths_over_forward_are_a_martingale_whatever_the_step(params):
    paths = montecarlo.simulate(params, MONTHS, 40_000, seed=5, longest_step=1.0)
    pairs = 0.5 * (paths.ratio[:, :20_000] + paths.ratio[:, 20_000:])
    error = pairs.std(axis=1) / np.sqrt(20_000)
    assert np.all(np.abs(pairs.mean(axis=1) - 1.0) < 4.0 * error)
    assert np.all(paths.variance >= 0.0)
    expected = params.theta + (params.v0 - params.theta) * np.exp(-params.kappa * MONTHS)
    assert np.allclose(paths.variance.mean(axis=1), expected, rtol=0.05)


def test_the_seed_is_all_that_matters():
    first, second = (montecarlo.simulate(SMOOTH, MONTHS, 100, seed=3) for _ in range(2))
    assert np.array_equal(first.ratio, second.ratio)
    assert np.array_equal(first.variance, second.variance)
    assert not np.array_equal(first.ratio, montecarlo.simulate(SMOOTH, MONTHS, 100, seed=4).ratio)


def test_standard_errors_are_those_of_repetition_and_mirrors_reduce_them():
    runs = [montecarlo.simulate(SMOOTH, 0.5, 2_000, seed, 0.1) for seed in range(60)]
    estimates = [montecarlo.european(paths, 100.0, 100.0, True) for paths in runs]
    spread = np.std([e.value for e in estimates], ddof=1)
    claimed = np.mean([e.stderr for e in estimates])
    assert abs(np.log(claimed / spread)) < 0.3
    plain = montecarlo.simulate(SMOOTH, 0.5, 2_000, 0, 0.1, antithetic=False)
    assert montecarlo.european(plain, 100.0, 100.0, True).stderr > 1.2 * claimed


def test_asian_options():
    paths = montecarlo.simulate(SMOOTH, MONTHS, 20_000, seed=1, longest_step=1.0 / 12.0)
    forwards = 100.0 * np.exp(0.03 * MONTHS)
    mean = montecarlo.asian(paths, forwards, 1e-9, True, 0.95)
    assert abs(mean.value - 0.95 * forwards.mean()) < 3.0 * mean.stderr
    call, put = (montecarlo.asian(paths, forwards, 100.0, c, 0.95).value for c in (True, False))
    assert call - put == pytest.approx(mean.value - 0.95 * 100.0, abs=1e-6)
    assert call < montecarlo.european(paths, forwards, 100.0, True, 0.95).value
    once = montecarlo.simulate(SMOOTH, 1.0, 2_000, seed=1)
    assert montecarlo.asian(once, 100.0, STRIKES, True).value == pytest.approx(
        montecarlo.european(once, 100.0, STRIKES, True).value
    )


def test_asian_in_black_is_its_second_moment_match():
    """Levy (1992): a lognormal of the mean's two moments, good to about 0.3 % at this vol."""
    paths = montecarlo.simulate(BLACK, MONTHS, 100_000, seed=2, longest_step=1.0)
    second = np.mean(np.exp(0.04 * np.minimum.outer(MONTHS, MONTHS)))
    estimate = montecarlo.asian(paths, 100.0, 100.0, True)
    matched = black.price(100.0, 100.0, 1.0, np.sqrt(np.log(second)), True)
    assert abs(estimate.value - matched) < 3.0 * estimate.stderr + 0.003 * matched


def test_barriers_add_up_and_bound():
    paths = montecarlo.simulate(ROUGH, MONTHS, 4_000, seed=9)
    whole = montecarlo.european(paths, 100.0, STRIKES, True).value
    for side, level in (("up", 115.0), ("down", 85.0)):
        out = montecarlo.barrier(paths, 100.0, STRIKES, True, level, f"{side}_out").value
        inside = montecarlo.barrier(paths, 100.0, STRIKES, True, level, f"{side}_in").value
        assert np.allclose(out + inside, whole)
        assert np.all((out >= 0.0) & (out <= whole))
    assert np.array_equal(montecarlo.barrier(paths, 100.0, STRIKES, True, 1e-9, "down_out").value, whole)
    assert np.all(montecarlo.barrier(paths, 100.0, STRIKES, True, 80.0, "up_out").value == 0.0)


def test_a_discrete_barrier_in_black_is_the_shifted_continuous_one():
    """Broadie, Glasserman, Kou (1997): the level moves out by 0.5826 deviations of a step."""
    times, level, vol = np.arange(1, 51) / 50.0, 90.0, 0.2
    paths = montecarlo.simulate(BLACK, times, 100_000, seed=21, longest_step=1.0)
    estimate = montecarlo.barrier(paths, 100.0, 100.0, True, level, "down_out")
    shifted = level * np.exp(-0.5826 * vol * np.sqrt(0.02))
    image = black.price([100.0, shifted**2 / 100.0], 100.0, 1.0, vol, True)
    exact = image[0] - 100.0 / shifted * image[1]
    assert abs(estimate.value - exact) < 3.0 * estimate.stderr + 0.005


def test_bad_arguments_are_named():
    for name, arguments in [
        ("times", ([0.5, 0.4], 100, 1)),
        ("times", ([], 100, 1)),
        ("n_paths", (1.0, 101, 1)),
        ("seed", (1.0, 100, -1)),
        ("longest_step", (1.0, 100, 1, 0.0)),
    ]:
        with pytest.raises(ValueError, match=name):
            montecarlo.simulate(SMOOTH, *arguments)
    paths = montecarlo.simulate(SMOOTH, MONTHS, 8, seed=1)
    with pytest.raises(ValueError, match="forward"):
        montecarlo.european(paths, [1.0, 2.0], 1.0, True)
    with pytest.raises(ValueError, match="is_call"):
        montecarlo.european(paths, 1.0, 1.0, 0.5)
    with pytest.raises(ValueError, match="strike"):
        montecarlo.european(paths, 1.0, np.ones(3), np.array([True, False]))
    with pytest.raises(ValueError, match="kind"):
        montecarlo.barrier(paths, 1.0, 1.0, True, 1.2, "up")
    with pytest.raises(ValueError, match="level"):
        montecarlo.barrier(paths, 1.0, 1.0, True, 0.0, "up_in")
