"""Each kind of incident has its section in the runbook, and each section its kind."""

from __future__ import annotations

import re

from periscope_assets.alerts.incidents import KINDS
from tests.conftest import PROJECT


def test_every_kind_has_its_section_where_links_lead():
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    anchors = re.findall(r"^## ([a-z_]+)$", text, flags=re.MULTILINE)
    assert set(anchors) == set(KINDS)
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name, _, body = section.partition("\n")
        assert name not in KINDS or len(body.split()) > 20, name
