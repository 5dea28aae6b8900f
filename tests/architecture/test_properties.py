"""Properties take the nightly profile's examples: none fixes a smaller number for itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(path for path in TESTS.rglob("*.py") if "given" in path.read_text(encoding="utf-8"))


def test_the_nightly_profile_takes_ten_thousand():
    assert settings.get_profile("nightly").max_examples >= 10_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_no_property_fixes_its_number_of_examples(path):
    if path == TESTS / "conftest.py":
        return
    text = path.read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    fixed = [
        call.lineno
        for call in calls
        for keyword in call.keywords
        if keyword.arg == "max_examples" and isinstance(keyword.value, ast.Constant)
    ]
    assert [line for line in fixed if "UNCOMPILED" not in text.splitlines()[line - 1]] == []
