"""Bracketed root finding, each equation with its own outcome."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.bracket import MAX_STEPS, chandrupatla


@given(st.lists(st.floats(0.01, 50.0), min_size=1, max_size=6), st.sampled_from([1, 3, 9]))
def test_roots_of_powers(targets, power):
    goal = np.array(targets)
    low, high = np.zeros(len(goal)), np.full(len(goal), 60.0)

    def f(x, rows):
        return x**power - goal[rows] ** power

    everything = np.arange(len(goal))
    root, done = chandrupatla(f, low, high, f(low, everything), f(high, everything))
    assert done.all()
    assert np.allclose(root, goal, rtol=1e-9)


def test_each_has_its_own_outcome():
    calls = []

    def f(x, rows):
        calls.append(len(rows))
        return np.where(rows == 1, np.nan, x - 2.0)

    a, b = np.array([0.0, 0.0, 0.0, 2.0]), np.array([3.0, 3.0, 1.0, 3.0])
    root, done = chandrupatla(f, a, b, np.array([-2.0, -1.0, -2.0, 0.0]), np.array([1.0, 1.0, -1.0, 1.0]))
    assert done.tolist() == [True, False, False, True]
    assert root[[0, 3]].tolist() == [2.0, 2.0]
    assert np.isnan(root[1:3]).all()
    assert len(calls) < MAX_STEPS
