"""Vendors' answers made up in the shapes that the vendors send; numbers invented."""

from __future__ import annotations

import json
import random
from typing import Any

KEY = "k-0123456789-secret"
SNAPSHOT_PATH, CONTRACTS_PATH = "/v3/snapshot/options/SPY", "/v3/reference/options/contracts"
STAMP = 1_780_430_400_000_000_000
"""2026-06-02 20:00 UTC in nanoseconds."""

FORWARD = 601.0


def tickers(count: int) -> list[str]:
    """Distinct OCC symbols on SPY, in the vendor's order."""
    return [f"O:SPY260618{side}{(500 + row) * 1000:08d}" for side in "CP" for row in range(count // 2)]


def massive_element(ticker: str, draw: random.Random) -> dict[str, Any]:
    """One contract of the chain snapshot of a tier that has quotes."""
    side, strike = ticker[-9], int(ticker[-8:]) / 1000
    put = 0.5 + 0.05 * (strike - 500)
    bid = round(put if side == "P" else put + FORWARD - strike, 2)
    return {
        "break_even_price": strike + bid,
        "day": {"close": bid, "volume": draw.randrange(1000)} if draw.random() < 0.8 else {},
        "details": {
            "contract_type": "call" if side == "C" else "put",
            "exercise_style": "american",
            "expiration_date": "2026-06-18",
            "shares_per_contract": 100,
            "strike_price": int(strike) if strike.is_integer() else strike,
            "ticker": ticker,
        },
        "greeks": {"delta": 0.5, "gamma": 0.01, "theta": -0.1, "vega": 0.2} if draw.random() < 0.9 else {},
        "implied_volatility": round(draw.uniform(0.1, 0.9), 6),
        "last_quote": {
            "ask": round(bid + 0.05, 2),
            "ask_size": draw.randrange(1, 100),
            "bid": bid,
            "bid_size": draw.randrange(1, 100),
            "last_updated": STAMP - draw.randrange(10**9),
            "midpoint": bid + 0.025,
            "timeframe": "REAL-TIME",
        },
        "last_trade": {"price": bid} if draw.random() < 0.5 else {},
        "open_interest": draw.randrange(10_000),
        "underlying_asset": {"price": 600.25, "ticker": "SPY", "timeframe": "REAL-TIME"},
    }


def massive_listed(ticker: str) -> dict[str, Any]:
    """One contract of the vendor's own list."""
    return {
        "cfi": "OCASPS",
        "contract_type": "call" if ticker[-9] == "C" else "put",
        "exercise_style": "american",
        "expiration_date": "2026-06-18",
        "primary_exchange": "BATO",
        "shares_per_contract": 100,
        "strike_price": int(ticker[-8:]) / 1000,
        "ticker": ticker,
        "underlying_ticker": "SPY",
    }


def page(results: list[dict[str, Any]], next_url: str | None) -> dict[str, Any]:
    """One page of either."""
    return {"request_id": "104d9b901d0c9e81", "results": results, "status": "OK"} | (
        {"next_url": next_url} if next_url else {}
    )


def massive_file(count: int = 4, **changed: Any) -> bytes:
    """A saved one-page answer; `changed` fields replace those of the first contract."""
    draw = random.Random(1)
    chain = [massive_element(ticker, draw) for ticker in tickers(count)]
    chain[0] |= changed
    return json.dumps(page(chain, None)).encode()


def cboe_option(option: str, **changed: Any) -> dict[str, Any]:
    """One option of Cboe's delayed quotes."""
    return {
        "option": option, "bid": 9.1, "bid_size": 5.0, "ask": 9.4, "ask_size": 7.0, "iv": 0.21,
        "open_interest": 120.0, "volume": 3.0, "delta": 0.51, "gamma": 0.01, "theo": 9.25, "change": 0.0,
        "last_trade_price": 9.2, "last_trade_time": "2026-06-02T15:59:32", "prev_day_close": 9.0,
    } | changed  # fmt: skip


def cboe(options: list[dict[str, Any]] | None = None, **changed: Any) -> bytes:
    """Cboe's delayed quotes of SPX."""
    if options is None:
        options = [
            cboe_option("SPX260618C05000000"),
            cboe_option("SPX260618P05000000", iv=0.0, bid=0.0, ask=0.0),
            cboe_option("SPXW260603P05000000", last_trade_time=None),
        ]
    data = {
        "options": options,
        "symbol": "^SPX",
        "current_price": 5012.5,
        "last_trade_time": "2026-06-02T16:00:01",
    }
    return json.dumps({"timestamp": "2026-06-02 20:15:07", "data": data, "symbol": "_SPX"} | changed).encode()


def deribit_book(name: str, **changed: Any) -> dict[str, Any]:
    """One instrument of Deribit's book summary."""
    return {
        "instrument_name": name, "bid_price": 0.024, "ask_price": 0.029, "mark_price": 0.0265, "last": None,
        "mark_iv": 38.98, "open_interest": 10.5, "volume": 2.0, "underlying_price": 78523.27,
        "underlying_index": "BTC-19JUN26", "estimated_delivery_price": 78494.25, "interest_rate": 0.0,
        "creation_timestamp": STAMP // 1_000_000, "base_currency": "BTC", "quote_currency": "BTC",
        "mid_price": 0.0265, "high": None, "low": None, "price_change": None, "volume_usd": 0.0,
    } | changed  # fmt: skip


BTC = ("BTC-19JUN26-77000-C", "BTC-19JUN26-77000-P", "BTC-19JUN26-80000-C")


def deribit(result: Any = None) -> bytes:
    """A JSON-RPC answer, by default the book summary of BTC."""
    if result is None:
        result = [deribit_book(name) for name in BTC]
        result[1] |= {"bid_price": None, "mid_price": None}
    return json.dumps({"jsonrpc": "2.0", "result": result, "usDiff": 204, "testnet": False}).encode()


def deribit_instrument(name: str) -> dict[str, Any]:
    """One instrument of Deribit's list."""
    return {"instrument_name": name, "kind": "option", "state": "open", "is_active": True, "contract_size": 1}


def deribit_ticker(name: str) -> dict[str, Any]:
    """Deribit's ticker of one instrument."""
    return {
        "instrument_name": name, "timestamp": STAMP // 1_000_000 + 500, "best_bid_price": 0.025,
        "best_ask_price": 0.028, "best_bid_amount": 12.5, "best_ask_amount": 3.0, "last_price": 0.027,
        "open_interest": 10.5, "mark_price": 0.0265, "mark_iv": 39.0, "underlying_price": 78530.0,
        "estimated_delivery_price": 78500.0, "greeks": {"delta": 0.53}, "stats": {"volume": 2.0},
    }  # fmt: skip


PAR_YIELDS = b"""\
Date,"1 Mo","1.5 Month","2 Mo","3 Mo","4 Mo","6 Mo","1 Yr","2 Yr","3 Yr","5 Yr","7 Yr","10 Yr","20 Yr","30 Yr"
06/02/2026,4.30,4.31,4.32,4.33,4.31,4.25,4.10,3.95,3.92,4.00,4.15,4.35,4.85,4.82
06/01/2026,4.31,4.31,4.32,4.34,4.31,4.26,4.11,3.96,3.93,4.01,4.16,4.36,4.86,4.83
05/29/2026,4.32,,4.33,4.34,4.32,4.27,4.12,3.97,3.94,4.02,4.17,4.37,4.87,4.84
"""
