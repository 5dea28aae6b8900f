"""A corrected file supersedes, and the command that takes it back makes the old quotes current again."""

from __future__ import annotations

from datetime import date

import pytest

from periscope_assets.sources.simulated import SimulatedSource
from tests.end_to_end.command_line import Periscope

pytestmark = pytest.mark.slow


def test_a_correction_is_taken_back_by_a_command(tmp_path):
    periscope = Periscope(tmp_path / "home")
    first, corrected = tmp_path / "first.csv", tmp_path / "corrected.csv"
    (payload,) = SimulatedSource(20260102).fetch("ACME", date(2026, 3, 20))
    lines = payload.content.decode().splitlines(keepends=True)
    cells = lines[40].split(",")
    name, old = cells[0], float(cells[4])
    cells[4] = f"{old - 0.01:.2f}"
    first.write_bytes(payload.content)
    corrected.write_bytes("".join([*lines[:40], ",".join(cells), *lines[41:]]).encode())

    def bid():
        rows = periscope.show("chain", "ACME")["chain"]
        return next(row["bid"] for row in rows if row["contract"] == name)

    try:
        periscope.run("ingest", first)
        assert bid() == old
        periscope.run("ingest", corrected)
        assert bid() == round(old - 0.01, 2)
        taken = periscope.run("ingest", corrected, "--withdraw")
        assert "withdrawal of corrected.csv" in taken.stdout
        assert "published" in taken.stdout
        assert bid() == old
        never = periscope.run("ingest", tmp_path / "other.csv", "--withdraw", code=2)
        assert "other.csv" in never.stderr
    finally:
        periscope.run("stop")
