"""The figures that a page under test would show."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def drawn(test: AppTest) -> list[dict[str, Any]]:
    """Return what was sent of each: ``figure`` (JSON text), ``alt``, ``height``, ``config``."""
    elements = [each.proto for each in test.get("bidi_component")]
    return [json.loads(each.json) for each in elements if each.component_name == "figure"]
