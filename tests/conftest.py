"""Fixtures that every layer of tests may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PROJECT = Path(__file__).resolve().parents[1]

settings.register_profile("default", derandomize=True, deadline=None, max_examples=50, print_blob=True)
settings.register_profile(
    "nightly",
    derandomize=True,
    deadline=None,
    max_examples=10_000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def required(capability: str, reason: str) -> None:
    """Skip for want of a capability, or fail where PERISCOPE_REQUIRE says that it must be there."""
    if capability in os.environ.get("PERISCOPE_REQUIRE", "").split(","):
        pytest.fail(f"{capability} is required here: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Folder of the recorded chains, which are not part of the repository."""
    folder = Path(os.environ.get("PERISCOPE_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        required("data", f"no recorded chains: set PERISCOPE_TEST_DATA to their folder (looked in {folder})")
    return folder
