"""Every quarantine reason counted on the recorded files; a rule that changes a count changes it here."""

from __future__ import annotations

from collections import Counter

import pytest

from periscope_assets.pipeline.boundary import judged
from periscope_assets.sources import files

pytestmark = pytest.mark.data

RAW = {
    "cboe-spx-spy-xsp-20230914/spx*": 19_920,
    "cboe-spx-spy-xsp-20230914/spy*": 7_292,
    "cboe-spx-spy-xsp-20230914/xsp*": 10_882,
    "deribit-btc-2026q1/*": 74_964,
    "us-ladder-202604/*": 51_414,
    "yahoo-spy-iwm-202608/*": 43_801,
}
REFUSED = {
    "cboe-spx-spy-xsp-20230914/spx*": {"no_quote": 228},
    "cboe-spx-spy-xsp-20230914/spy*": {"absurd_spread": 16},
    "cboe-spx-spy-xsp-20230914/xsp*": {"no_quote": 332},
    "deribit-btc-2026q1/*": {"no_quote": 572, "absurd_spread": 29, "above_maximum": 3},
    "us-ladder-202604/*": {"absurd_spread": 2},
    # Deep in the money, Yahoo shows quotes of days before.
    "yahoo-spy-iwm-202608/*": {"below_intrinsic": 284, "no_quote": 243, "non_monotone": 45},
}


@pytest.mark.parametrize("pattern", RAW)
def test_quarantined_rows_by_reason(recorded, pattern):
    folder, name = pattern.split("/")
    paths = [p for p in sorted((recorded / folder).glob(name)) if p.name.endswith((".csv.gz", ".parquet"))]
    counted: Counter[str] = Counter()
    for path in paths:
        for chain in files.parse(files.load(path))[1]:
            calendar = "24/7" if chain.symbol in {"BTC", "ETH"} else "XNYS"
            quality = judged(chain, calendar, None).quality
            counted.update({key: value for key, value in quality.items() if isinstance(value, int)})
    reasons = {
        key.removeprefix("quarantined_"): n for key, n in counted.items() if key.startswith("quarantined_")
    }
    assert counted["n_raw"] == RAW[pattern]
    assert counted["n_accepted"] + counted["n_quarantined"] == RAW[pattern]
    assert reasons == REFUSED[pattern]
