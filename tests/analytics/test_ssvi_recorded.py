"""eSSVI on a recorded chain: free of arbitrage, and close to fits of each expiry alone."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pandas as pd
import pytest

from periscope_analytics import black
from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration import fit_essvi
from periscope_analytics.daycount import year_fraction
from periscope_analytics.errors import Status
from periscope_analytics.forward import fit_forward
from periscope_analytics.implied_vol import implied_vol
from periscope_analytics.market import parse_occ

pytestmark = pytest.mark.data

RATE = 0.055


def mid_vols(folder):
    """Mid vols, vega weights adding to one in each expiry, of the out-of-the-money quotes of SPX."""
    packed = (folder / "cboe-spx-spy-xsp-20230914/spx_quotedata.csv.gz").read_bytes()
    table = pd.read_csv(io.StringIO("\n".join(gzip.decompress(packed).decode().splitlines()[3:])))
    table["expiry_at"] = [parse_occ(symbol).expiry_at.replace(tzinfo=None) for symbol in table["Calls"]]
    columns = []
    for expiry_at, rows in table.groupby("expiry_at"):
        tau = float(year_fraction(np.datetime64("2023-09-14T20:15"), np.datetime64(expiry_at)))
        if tau <= 0.0:
            continue
        strike, *sides = (rows[c].to_numpy(float) for c in ("Strike", "Bid", "Ask", "Bid.1", "Ask.1"))
        unit = np.exp(-RATE * tau)
        forward = fit_forward(strike, *sides, discount=unit).forward
        call = strike >= forward
        bid, ask = np.where(call, sides[0], sides[2]), np.where(call, sides[1], sides[3])
        used = (bid > 0.0) & (ask > bid)
        k, call, mid = np.log(strike / forward)[used], call[used], 0.5 * (bid + ask)[used] / (forward * unit)
        iv = implied_vol(mid, 1.0, np.exp(k), tau, call).sigma
        vega = np.nan_to_num(black.greeks(1.0, np.exp(k), tau, iv, call).vega)
        columns.append(np.stack([k, np.full(k.size, tau), iv, vega / vega.sum()]))
    return np.concatenate(columns, axis=1)


def test_spx_is_free_and_the_chain_costs_little(recorded):
    k, tau, iv, weight = mid_vols(recorded)
    fit = fit_essvi(k, tau, iv, weight)
    assert fit.status in {Status.OK, Status.NOT_CONVERGED}
    certificate = certify(fit.params.surface())
    assert certificate.is_free
    assert certificate.n_slices >= 55
    alone = np.full(k.size, np.nan)
    for one in fit.taus:
        here = tau == one
        alone[here] = fit_essvi(k[here], tau[here], iv[here], weight[here]).residuals
    chained, free = (np.sqrt(np.nansum(weight * r**2) / len(fit.taus)) for r in (fit.residuals, alone))
    assert chained < 1.05 * free
    longer = tau > 0.25
    assert np.sqrt(np.nansum((weight * fit.residuals**2)[longer]) / weight[longer].sum()) < 0.008
