"""Every published table is used: a file nobody reads is no reference.

Which test reads which, and how closely: Haug's prices (to the 1e-4 that the file states) and greeks (1e-4);
sixty-digit Black prices (``test_black``); Barone-Adesi and Whaley's approximation as a bound of 0.04
(``test_american``); Lewis's Heston prices to 1e-13 relative (``test_heston_lewis``); Sepp's DAX vols, sum of
squares 177.2 (``test_heston_fit``); Hagan's vols to 2e-13, parameters to 5e-8 (``test_sabr``); Vogt's smile
and both repairs to the digits published (``test_svi_vogt``).
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in (TESTS / "analytics").glob("test_*.py")}
TABLES = {
    "baw_haug.csv": "test_american.py",
    "black_60_digits.csv": "test_black.py",
    "dax_20020705.csv": "test_heston_fit.py",
    "haug_greeks.csv": "test_black.py",
    "haug_values.csv": "test_black.py",
    "heston_lewis.csv": "test_heston_lewis.py",
    "sabr_hagan.csv": "test_sabr.py",
    "svi_vogt.json": "test_svi_vogt.py",
}


def test_every_table_has_its_test():
    assert {path.name for path in (TESTS / "reference").iterdir()} == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_its_test_reads_it_and_it_names_its_source(table):
    assert f'"{table}"' in SOURCES[TABLES[table]]
    head = (TESTS / "reference" / table).read_text(encoding="utf-8").splitlines()[:3]
    assert any(line.startswith("#") or '"source"' in line for line in head)
