"""Published columns as readers see them."""

from __future__ import annotations

import pandas as pd
import pytest

from app.components import numbers
from periscope_assets.store import tables


def _frame(name: str) -> pd.DataFrame:
    return pd.DataFrame({column.name: pd.Series(dtype="float64") for column in tables.table(name).columns})


@pytest.mark.parametrize("name", [each.name for each in tables.data_tables()])
def test_every_published_column_has_a_label_of_its_own_without_underscores(name):
    frame = _frame(name)
    labels = [numbers.label(column) for column in frame.columns]
    assert len(set(labels)) == len(labels)
    assert not [each for each in labels if "_" in each or not each]
    shown = {column for column, setting in numbers.settings(frame).items() if setting is not None}
    assert set(frame.columns) - shown <= numbers.HIDDEN


@pytest.mark.parametrize("name", ["iv", "atm_iv", "bid_iv", "rr_25", "bf_10_stderr", "realized_vol", "p05"])
def test_vols_are_shown_in_percent_and_kept_as_decimals(name):
    setting = numbers.settings(pd.DataFrame({name: [0.2]}))[name]
    assert setting["type_config"]["format"] == "percent"


@pytest.mark.parametrize("name", ["strike", "log_moneyness", "kappa", "rmse_bps", "vega_usd", "delta"])
def test_other_numbers_are_not(name):
    setting = numbers.settings(pd.DataFrame({name: [0.2]}))[name]
    assert setting["type_config"]["format"].startswith("%")


def test_times_are_utc_and_say_so():
    frame = pd.DataFrame({"expiry_at": pd.DatetimeIndex(["2026-01-16T21:00Z"])})
    setting = numbers.settings(frame)["expiry_at"]
    assert setting["label"] == "Settles (UTC)"
    assert setting["type_config"]["timezone"] == "UTC"
