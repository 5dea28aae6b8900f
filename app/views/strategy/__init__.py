"""A strategy built from the chain: payoff, greeks, scenarios, odds."""
