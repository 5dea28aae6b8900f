"""Many slices in one call give what one call for each gives; no quotes make a fit raise or hang."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from periscope_analytics.calibration import fit_sabr, fit_sabr_slices, fit_svi, fit_svi_slices
from periscope_analytics.errors import Status
from periscope_analytics.sabr import SABRParams
from periscope_analytics.svi import SVIParams

UNCOMPILED = "NUMBA_DISABLE_JIT" in os.environ
TAU = 0.7
NASTY = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-308, 1e308, -1e308, np.nan, np.inf, -np.inf, 0.04, 0.2, 1.0]),
)

overflowing = pytest.mark.skipif(UNCOMPILED, reason="Python's floats raise where compiled ones overflow")


def chain(seed=1, noise=0.01):
    """Quotes of slices of 0, 3, 7, 40, 200 and 600 quotes, each in another order, with unusable ones."""
    rng, ks, ws, qs, offsets = np.random.default_rng(seed), [], [], [], [0]
    for n in (0, 3, 7, 40) if UNCOMPILED else (0, 3, 7, 40, 200, 600):
        k = rng.permutation(np.linspace(-0.6, 0.4, n))
        smile = SVIParams(0.01, 0.12, -0.5, 0.02, 0.15)
        w = smile.total_variance(k) * np.exp(noise * rng.standard_normal(n))
        if n > 10:
            w[3], k[5] = np.nan, np.inf
        ks.append(k)
        ws.append(w)
        qs.append(rng.uniform(0.2, 2.0, n))
        offsets.append(offsets[-1] + n)
    return np.concatenate(ks), np.concatenate(ws), np.concatenate(qs), np.array(offsets)


def same(many, one):
    assert many.status is one.status
    assert np.array_equal(many.residuals, one.residuals, equal_nan=True)
    assert np.allclose(many.stderr, one.stderr, rtol=1e-12, equal_nan=True)
    assert (many.params is None) == (one.params is None)
    if one.params is not None:
        assert astuple(many.params) == astuple(one.params)
        assert (many.rmse, many.max_error) == (one.rmse, one.max_error)


@pytest.mark.parametrize("arbitrage_free", [True, False])
def test_svi_slices_are_single_fits(arbitrage_free):
    k, w, q, offsets = chain()
    fits = fit_svi_slices(k, w, offsets, q, arbitrage_free)
    assert len(fits) == offsets.size - 1
    for i in range(len(fits)):
        here = slice(offsets[i], offsets[i + 1])
        same(fits[i], fit_svi(k[here], w[here], q[here], arbitrage_free))
    assert fits.status[0] == fits.status[1] == Status.TOO_FEW_STRIKES


def test_a_slice_is_fitted_the_same_beside_any_neighbours():
    rng, k = np.random.default_rng(3), np.linspace(-0.5, 0.3, 24)
    sizes = rng.integers(5, 24, 5 if UNCOMPILED else 19)
    w = SVIParams(0.01, 0.12, -0.5, 0.02, 0.15).total_variance(k) * np.exp(0.01 * rng.standard_normal(24))
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    columns = [np.concatenate([each[:n] for n in sizes]) for each in (k, w)]
    fits = fit_svi_slices(*columns, offsets)
    for i, n in enumerate(sizes):
        same(fits[i], fit_svi(k[:n], w[:n]))


def test_the_order_of_quotes_changes_nothing():
    rng, k = np.random.default_rng(4), np.linspace(-0.5, 0.3, 21)
    w = SVIParams(0.01, 0.12, -0.5, 0.02, 0.15).total_variance(k) * np.exp(0.01 * rng.standard_normal(21))
    order = rng.permutation(21)
    tidy, mixed = fit_svi(k, w), fit_svi(k[order], w[order])
    assert mixed.params == tidy.params
    assert np.array_equal(mixed.residuals, tidy.residuals[order])


def test_sabr_slices_are_single_fits():
    k, w, q, offsets = chain()
    strike, iv = 100.0 * np.exp(k), np.sqrt(w / TAU)
    fits = fit_sabr_slices(100.0, strike, TAU, iv, 0.5, offsets, q)
    for i in range(len(fits)):
        here = slice(offsets[i], offsets[i + 1])
        same(fits[i], fit_sabr(100.0, strike[here], TAU, iv[here], 0.5, q[here]))
    assert [fit.status for fit in fits][2:4] == [Status.OK, Status.OK]


def test_slices_under_conditions_are_single_fits_too():
    k = np.tile(np.linspace(-1.0, 1.0, 12), 2)
    vogt, tame = SVIParams(-0.041, 0.1331, 0.306, 0.3586, 0.4153), SVIParams(0.04, 0.1, -0.3, 0.0, 0.2)
    w = np.concatenate([vogt.total_variance(k[:12]), tame.total_variance(k[12:])])
    fits = fit_svi_slices(k, w, [0, 12, 24])
    same(fits[0], fit_svi(k[:12], w[:12]))
    same(fits[-1], fit_svi(k[12:], w[12:]))


def test_more_quotes_than_one_chunk_change_nothing():
    rng = np.random.default_rng(2)
    k = np.linspace(-0.5, 0.4, 120)
    w = SVIParams(0.01, 0.12, -0.5, 0.02, 0.15).total_variance(k) * np.exp(0.01 * rng.standard_normal(120))
    once, thrice = fit_svi(k, w), fit_svi(np.tile(k, 3), np.tile(w, 3))
    assert astuple(thrice.params) == pytest.approx(astuple(once.params), rel=1e-6)


def test_the_weights_and_columns_of_the_caller_stay_as_they_are():
    k, w, q, offsets = chain()
    for each in (k, w, q):
        each.flags.writeable = False
    frozen = fit_svi_slices(k, w, offsets, q)
    assert np.array_equal(
        frozen.parameters, fit_svi_slices(k.copy(), w, offsets, q).parameters, equal_nan=True
    )
    assert fit_svi(k[::2], w[::2], q[::2]).params is not None


@pytest.mark.parametrize("offsets", [[0, 3], [1, 5], [0, 4, 2, 5], [0.0, 5.0], []])
def test_offsets_are_checked(offsets):
    with pytest.raises(ValueError, match="offsets"):
        fit_svi_slices(np.zeros(5), np.ones(5), offsets)
    with pytest.raises(ValueError, match="offsets"):
        fit_sabr_slices(1.0, np.ones(5), 1.0, np.ones(5), 0.5, offsets)


def usable(fit):
    """No NaN with status OK, and nothing but finite parameters."""
    if fit.params is not None:
        assert np.all(np.isfinite(astuple(fit.params)))
        assert np.isfinite(fit.rmse)
        assert np.isfinite(fit.max_error)
    else:
        assert fit.status not in {Status.OK, Status.AT_BOUND, Status.UNIDENTIFIED}


@overflowing
@given(rows=st.lists(st.tuples(NASTY, NASTY, NASTY), max_size=12))
def test_no_floats_make_svi_raise(rows):
    k, w, q = np.array(rows, dtype=float).reshape(-1, 3).T.copy()
    usable(fit_svi(k, w, np.abs(q)))
    usable(fit_svi(np.linspace(-0.3, 0.3, k.size), w))
    usable(fit_svi(k, np.full(k.size, 0.04)))


@overflowing
@given(rows=st.lists(st.tuples(NASTY, NASTY, NASTY), max_size=12), forward=NASTY, tau=NASTY, shift=NASTY)
def test_no_floats_make_sabr_raise(rows, forward, tau, shift):
    strike, iv, q = np.array(rows, dtype=float).reshape(-1, 3).T.copy()
    moved = shift if np.isfinite(shift) else 0.0
    with np.errstate(all="ignore"):
        usable(fit_sabr(forward, strike, tau, iv, 0.5, np.abs(q), moved))
        usable(fit_sabr(100.0, np.linspace(80.0, 120.0, iv.size), 1.0, iv, 1.0))
        usable(fit_sabr(forward, strike, np.abs(tau), np.full(iv.size, 0.2), 0.0))


def test_sabr_of_few_or_flat_quotes():
    strike = np.linspace(80.0, 120.0, 9)
    for beta in (0.0, 0.5, 1.0):
        usable(fit_sabr(100.0, strike, 1.0, np.full(9, 0.2), beta))
    truth = SABRParams(0.2, 1.0, -0.3, 0.5)
    fit = fit_sabr(100.0, strike[:3], 1.0, truth.implied_vol(100.0, strike[:3], 1.0), 1.0)
    assert fit.max_error < 1e-9
    assert np.isnan(fit.stderr).all()


@pytest.mark.skipif(UNCOMPILED, reason="this is the run without the compiler")
def test_kernels_pass_uncompiled():
    here = Path(__file__).parent
    files = [str(here / f) for f in ("test_slice_batches.py", "test_svi_check.py", "test_sabr.py")]
    # NumPy's scalars warn of what compiled doubles do in silence.
    quiet = ["-W", "ignore::RuntimeWarning"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", *quiet, *files]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTEST_ADDOPTS": ""}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
