"""How columns of published frames are named and printed where a page has no words of its own for them.

What belongs here: a label, format and unit for any published column, by its name and type. What does not:
columns that one page makes (its own ``columns`` module).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd
import streamlit as st

_column = st.column_config
HIDDEN = frozenset({"publication_id", "bucket", "covariance"})
"""Columns that say nothing to a reader."""

_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "expiry_at": "Settles (UTC)",
        "as_of": "Market time (UTC)",
        "tau_years": "Years to expiry",
        "tenor_days": "Days",
        "log_moneyness": "k = ln(K/F)",
        "is_call": "Call",
        "is_otm": "Out of the money",
        "iv": "IV",
        "rmse_bps": "RMSE (vol bps)",
        "n_models": "Models",
        "v0": "v₀",
        "theta": "θ",
        "kappa": "κ",
        "sigma": "σ",
        "rho": "ρ",
        "z_score": "z",
        "essvi_iv": "eSSVI",
        "svi_iv": "SVI",
        "heston_iv": "Heston",
        "served_iv": "Served",
    }
)
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "iv": "IV",
        "rr": "RR",
        "bf": "BF",
        "atm": "ATM",
        "usd": "(USD)",
        "bps": "(bps)",
        "stderr": "± 1σ",
        "vol": "vol",
    }
)
_VOL = re.compile(
    r"(^|_)(iv|vol)(_stderr)?$|^(rr|bf)_\d+(_stderr)?$|^(difference|mispricing|mispriced)$|^p\d\d$"
)
_FORMATS = (
    (_VOL, "percent"),
    (re.compile(r"^(strike|forward|spot)$"), "%,.6g"),
    (re.compile(r"^(bid|ask|last|volume|open_interest|(bid|ask)_size)$"), "%,.6g"),
    (re.compile(r"log_moneyness"), "%+.4f"),
    (re.compile(r"delta$"), "%.3f"),
    (re.compile(r"(_bps|_days)$"), "%,.1f"),
    (re.compile(r"_usd$"), "%,.2f"),
)


def settings(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the column settings of a frame of published columns; vols are shown in percent."""
    return {str(name): None if name in HIDDEN else _setting(str(name), frame[name]) for name in frame.columns}


def label(name: str) -> str:
    """Return what readers call a column."""
    words = [_WORDS.get(word, word) for word in name.split("_")]
    text = _LABELS.get(name) or " ".join(words)
    return text[:1].upper() + text[1:] if name not in _LABELS else text


def _setting(name: str, values: pd.Series) -> Any:
    title = label(name)
    if pd.api.types.is_datetime64_any_dtype(values):
        return _column.DatetimeColumn(title, format="DD MMM YYYY HH:mm", timezone="UTC")
    if name == "expiry":
        return _column.DateColumn(title, format="DD MMM YYYY")
    if pd.api.types.is_bool_dtype(values):
        return _column.CheckboxColumn(title)
    if pd.api.types.is_integer_dtype(values):
        return _column.NumberColumn(title, format="%,d")
    if pd.api.types.is_float_dtype(values):
        form = next((form for pattern, form in _FORMATS if pattern.search(name)), "%.5g")
        return _column.NumberColumn(title, format=form)
    return title
