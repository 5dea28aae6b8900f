"""From a simulated chain to a surface with a no-arbitrage certificate, and a Heston fit."""

from datetime import date

import numpy as np

from periscope_analytics.arbitrage import certify
from periscope_analytics.calibration import SliceQuotes, fit_heston, fit_surface
from periscope_analytics.conventions import settlement_time
from periscope_analytics.daycount import year_fraction
from periscope_analytics.forward import fit_forward
from periscope_assets.sources import files
from periscope_assets.sources.simulated import RATE, SimulatedSource

_, (chain,) = files.parse(SimulatedSource(20260102).fetch("SIMX", date(2026, 1, 8))[0])
quotes = []
for (expiry, settlement), rows in chain.rows.groupby(["expiry", "settlement"]):
    tau = float(year_fraction(chain.as_of, settlement_time(expiry, settlement)))
    sides = rows.pivot(index="strike", columns="is_call", values=["bid", "ask"]).dropna()
    strike, discount = sides.index.to_numpy(), np.exp(-RATE * tau)
    call, put = ([sides[side, is_call].to_numpy() for side in ("bid", "ask")] for is_call in (True, False))
    forward = fit_forward(strike, *call, *put, discount=discount).forward
    bid, ask = np.where(strike >= forward, call, put) / (forward * discount)
    quotes.append(SliceQuotes(tau, np.log(strike / forward), bid, ask))

fit = fit_surface(sorted(quotes, key=lambda each: each.tau))
certificate = certify(fit.params)
inside = np.mean(np.abs(fit.residuals[~np.isnan(fit.residuals)]) <= 1.0)

tau = np.array([[each.tau] for each in fit.params.slices if each.tau > 7 / 365])
k = np.linspace(-2.0, 1.5, 11) * np.sqrt(fit.params.total_variance(0.0, tau))
iv = fit.params.iv(k, tau)
heston = fit_heston(1.0, np.exp(k).ravel(), np.broadcast_to(tau, k.shape).ravel(), iv.ravel())
