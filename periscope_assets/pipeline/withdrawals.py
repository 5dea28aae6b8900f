"""Taking back what has landed, and taking that back: by documents in the lake, so that nothing is removed.

What belongs here: landing withdrawals, and which manifests stand after them. What does not: publishing what
follows (``building``). A withdrawal is raw bytes like any other, registered for the symbol and session of
what it takes back; the manifests of a session in order of receipt say what is current.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from periscope_assets.store.lake import Lake, RawManifest

LAYOUT = "withdrawal"
_OF = "withdraws"


def withdraw(lake: Lake, manifests: Iterable[RawManifest], at: datetime) -> list[RawManifest]:
    """Land a withdrawal of each manifest and return what was registered.

    Parameters
    ----------
    lake : Lake
    manifests : iterable of RawManifest
        Of chains, or of withdrawals that are to be taken back.
    at : datetime
        When the withdrawal was received, UTC.
    """
    registered = []
    for target in manifests:
        said = {
            _OF: target.sha256,
            "symbol": target.symbol,
            "session": target.session.isoformat(),
            "received_at": at.astimezone(UTC).isoformat(),
        }
        content = json.dumps(said, sort_keys=True).encode()
        manifest = RawManifest(
            sha256=lake.land(content),
            name=f"withdrawal of {target.name}"[:200],
            layout=LAYOUT,
            symbol=target.symbol,
            session=target.session,
            as_of=target.as_of,
            n_raw=0,
            size=len(content),
            received_at=at,
            companions={_OF: target.sha256},
        )
        lake.register(manifest)
        registered.append(manifest)
    return registered


def standing(manifests: Sequence[RawManifest]) -> list[RawManifest]:
    """Return the chains among the manifests of a session that no standing withdrawal takes back.

    Parameters
    ----------
    manifests : sequence of RawManifest
        In order of receipt; a withdrawal takes back what was received before it.
    """
    gone: set[str] = set()
    kept: list[RawManifest] = []
    for each in reversed(manifests):
        if each.sha256 in gone:
            continue
        if each.layout == LAYOUT:
            gone.add(each.companions[_OF])
        else:
            kept.append(each)
    return kept[::-1]


def reinstate(lake: Lake, manifests: Iterable[RawManifest], at: datetime) -> list[RawManifest]:
    """Take back the withdrawals of chains that were landed again, and return what was registered."""
    registered: list[RawManifest] = []
    for landed in manifests:
        known = lake.manifests(landed.symbol, landed.session)
        if any(each.sha256 == landed.sha256 for each in standing(known)):
            continue
        registered += withdraw(lake, [each for each in known if _takes_back(each, landed)], at)
    return registered


def _takes_back(withdrawal: RawManifest, landed: RawManifest) -> bool:
    return withdrawal.layout == LAYOUT and withdrawal.companions[_OF] == landed.sha256
