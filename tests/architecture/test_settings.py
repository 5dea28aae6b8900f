"""Settings of the environment that make no sense are refused where they are read, with their name.

What belongs here: names, ranges and defaults of settings. What does not: what the services make of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from periscope_assets.settings import Settings, default_home
from periscope_assets.store.connect import open_lake


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PERISCOPE_PORTS__API", "0", "greater than or equal to 1"),
        ("PERISCOPE_PORTS__API", "70000", "less than or equal to 65535"),
        ("PERISCOPE_PORTS__API", "3000", "expected different ports"),
        ("PERISCOPE_RATES__ZERO_RATES", '{"nan": 0.05}', "at least one tenor"),
        ("PERISCOPE_RATES__ZERO_RATES", '{"inf": 0.05}', "at least one tenor"),
        ("PERISCOPE_FIRST_DATE", "9999-01-01", "up to today"),
        ("PERISCOPE_UNIVERSES", "{}", "at least one"),
        ("PERISCOPE_LAKE__COMPUTE_LOGS", "true", "a lake in a bucket"),
        ("PERISCOPE_RETENTION__QUOTES_DAYS", "7", "greater than or equal to 30"),
    ],
)
def test_senseless_values_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=says):
        Settings()


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERISCOPE_HOME", "")
    monkeypatch.setenv("PERISCOPE_PORTS__API", "")
    settings = Settings()
    assert settings.home == default_home()
    assert settings.ports.api == 8000


def test_the_lake_of_a_home_with_spaces_rests_inside_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "hé me #1")
    open_lake(settings).land(b"bytes")
    assert [one.name for one in tmp_path.iterdir()] == ["hé me #1"]
