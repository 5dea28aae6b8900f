"""Small files of each layout, written by hand with invented numbers."""

# ruff: noqa: E501

from __future__ import annotations

import gzip
import io
import json

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from periscope_assets.sources.base import RawPayload
from tests.sources import vendor_samples

CBOE = b"""
Some Index,Last: 4505.1001,Change:  37.6601
"Date: September 14, 2023 at 4:31 PM EDT",Bid: 4483.25,Ask: 4526.27,Size: 1*1,"Volume: 1,250"
Expiration Date,Calls,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest,Strike,Puts,Last Sale,Net,Bid,Ask,Volume,IV,Delta,Gamma,Open Interest
Fri Sep 15 2023,SPX230915C04500000,21.5,0,20.1,20.7,11,0.1311,0.53,0.002,120,4500.00,SPX230915P04500000,15.2,0,14.8,15.3,7,0.1299,-0.47,0.002,90
Fri Sep 15 2023,SPXW230915C04500000,24.5,0,23.1,23.9,12,0.1321,0.53,0.002,121,4500.00,SPXW230915P04500000,18.2,0,17.8,,8,0.1309,-0.47,0.002,91
Fri Oct 20 2023,SPX231020C04512500,0,0,60.2,61.4,0,0.1401,0.5,0.001,3,4512.50,SPX231020P04512500,0,0,50.1,51.2,0,0.1399,-0.5,0.001,4
"""

LADDER = b"""\
capture_ts,target_dte,actual_dte,symbol,underlying,expiration,type,strike,bid,bid_size,ask,ask_size,mid,last_price,last_size,implied_vol,delta,gamma,theta,vega,rho,und_session_date,und_open,und_high,und_low,und_close,und_volume,und_vwap
2026-04-14T00:19:09.731,4,4,AAPL260417C00255000,AAPL,2026-04-17,call,255.0,5.1,6.0,5.3,1.0,5.2,5.25,1.0,0.31,0.6,0.03,-0.2,0.1,0.01,2026-04-13,258.0,260.0,256.0,259.0,1.5e6,258.1
2026-04-14T00:19:11.731,4,4,AAPL260417P00255000,AAPL,2026-04-17,put,255.0,1.1,6.0,1.2,1.0,1.15,,,,,,,,,2026-04-13,258.0,260.0,256.0,259.0,1.5e6,258.1
2026-04-14T00:19:09.731,4,4,AAPL1260417P00255000,AAPL,2026-04-17,put,255.0,0,6.0,1.2,1.0,0.6,,,,,,,,,2026-04-13,258.0,260.0,256.0,259.0,1.5e6,258.1
"""

YAHOO = b"""\
contractSymbol,expiry,type,strike,lastPrice,bid,ask,volume,openInterest,impliedVolatility,inTheMoney,lastTradeDate,spot,session
SPY260821C00770000,2026-08-21,C,770.0,9.33,9.1,9.3,12.0,100.0,0.1406,True,2026-08-14 19:30:21+00:00,776.34,2026-08-14
SPY260821P00770000,2026-08-21,P,770.0,2.33,,2.4,,1.0,1e-05,False,2026-08-14 19:30:21+00:00,776.34,2026-08-14
"""
YAHOO_META = json.dumps(
    {
        "utc": "2026-08-17T14:05:34.797991+00:00",
        "session": "2026-08-14",
        "tickers": {"SPY": {"spot": 776.34, "spot_live": 775.24}},
    }
).encode()

DERIBIT = b"""\
timestamp,instrument_name,underlying,underlying_name,option_type,strike,expiry_datetime,time_to_maturity,bid_price,ask_price,mark_price,mid_price,futures_price,futures_instrument_name,implied_volatility,delta,vega,open_interest,volume,bid_ask_spread,currency,index_price,volume_usd
2026-01-15T21:21:56.012012+00:00,BTC-27MAR26-95000-C,96307.16,BTC-27MAR26,call,95000.0,2026-03-27T08:00:00+00:00,0.19,0.077,0.078,0.0776,0.0775,96307.16,BTC-27MAR26,0.4065,0.56,166.4,2565.4,7.5,0.001,BTC,95380.0,60442.16
2026-01-15T21:21:56.012012+00:00,ETH-3APR26-3000-P,3356.13,ETH-3APR26,put,3000.0,2026-04-03T08:00:00+00:00,0.21,,0.0645,0.0638,,3356.13,ETH-3APR26,0.61,-0.3,7.7,3764.0,15.0,,ETH,3297.47,3196.05
2026-01-16T21:20:00+00:00,BTC-27MAR26-95000-C,96400.0,BTC-27MAR26,call,95000.0,2026-03-27T08:00:00+00:00,0.19,0.077,0.078,0.0776,0.0775,96400.0,BTC-27MAR26,0.4065,0.56,166.4,2565.4,7.5,0.001,BTC,95400.0,60442.16
"""

SIMULATED = b"""\
periscope-simulated-chain,1,SIMX,2026-01-02T20:45:00+00:00,5012.34
contract,expiry,type,strike,bid,ask,bid_size,ask_size,last,volume,open_interest,vendor_iv,vendor_delta,vendor_mark,underlying_price
SIMX260116C05000000,2026-01-16,C,5000,61.2,62.4,10,12,61.9,55,1200,0.1513,0.55,61.8,5012.34
SIMX260116P05000000,2026-01-16,P,5000,43.1,44.2,10,12,,0,800,0.1513,-0.45,43.6,5012.34
"""

COMPANIONS = {"2026-08-14_meta.json": YAHOO_META}
BY_LAYOUT = {
    "cboe_quote_table": CBOE,
    "occ_ladder": LADDER,
    "yahoo_chain": YAHOO,
    "deribit_books": DERIBIT,
    "simulated": SIMULATED,
    "massive": vendor_samples.massive_file(),
    "cboe": vendor_samples.cboe(),
    "deribit": vendor_samples.deribit(),
}


def payload(content: bytes, name: str = "chain.csv") -> RawPayload:
    """Return the content with the companion that Yahoo's layout needs."""
    return RawPayload(name, content, companions=COMPANIONS)


def deribit_parquet(**replaced: object) -> bytes:
    """Return the Deribit sample as Parquet, some columns replaced."""
    table = pa_csv.read_csv(
        io.BytesIO(DERIBIT),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(["timestamp", "expiry_datetime"], pa.string()),
            strings_can_be_null=False,
        ),
    )
    for name, column in replaced.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(column))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def zipped(content: bytes) -> bytes:
    """Return the content as gzip."""
    return gzip.compress(content, mtime=0)
