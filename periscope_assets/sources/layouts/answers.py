"""A vendor's answers as one payload: a cover sheet that lists them, and the answers themselves beside it.

What belongs here: writing and reading the cover sheet. What does not: any vendor's JSON. The sheet names the
sha256, request id and times of each answer, so that a row can be traced from its publication to the bytes
that it was read from; the sheet's own sha256 stands for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from periscope_assets.sources.base import RawPayload, SourceError
from periscope_assets.sources.layouts import times

_MARK = b'{"periscope_answers": 1, "source": "'


@dataclass(frozen=True, slots=True)
class Answers:
    """What a vendor sent in answer to one question.

    Attributes
    ----------
    symbol : str or None
        Underlying that was asked for; None for a file that somebody saved.
    received_at : datetime or None
        When the last answer came.
    payloads : sequence of RawPayload
        In the order in which they came.
    """

    symbol: str | None
    received_at: datetime | None
    payloads: Sequence[RawPayload]

    def of(self, kind: str) -> list[RawPayload]:
        """Return the answers of a kind: those named ``kind-...``; of a saved file the file itself."""
        if self.symbol is None:
            return list(self.payloads)
        return [payload for payload in self.payloads if payload.name.startswith(f"{kind}-")]


def cover(source: str, symbol: str, answers: Sequence[RawPayload]) -> RawPayload:
    """Return the answers as one payload; their names are distinct.

    Parameters
    ----------
    source : str
        Vendor.
    symbol : str
        Checked underlying.
    answers : sequence of RawPayload
        At least one.
    """
    listed = [
        {
            "name": each.name,
            "sha256": sha256(each.content).hexdigest(),
            "size": len(each.content),
            "url": each.url,
            "request_id": each.request_id,
            "sent_at": _text(each.sent_at),
            "received_at": _text(each.received_at),
        }
        for each in answers
    ]
    sheet = {"periscope_answers": 1, "source": source, "symbol": symbol, "answers": listed}
    first, last = answers[0], answers[-1]
    return RawPayload(
        f"{source}_{symbol}.json",
        json.dumps(sheet, indent=None).encode(),
        last.received_at,
        {each.name: each.content for each in answers},
        first.sent_at,
        first.url,
        first.request_id,
    )


def is_cover(head: bytes, source: str) -> bool:
    """Tell whether bytes begin a cover sheet of a vendor's answers."""
    return head.startswith(_MARK + source.encode() + b'"')


def uncover(payload: RawPayload) -> Answers:
    """Return the answers of a payload; one without a cover sheet is a saved answer itself.

    Raises
    ------
    SourceError
        If the sheet is damaged, or an answer is missing or not the one that it lists.
    """
    if not payload.content.startswith(_MARK):
        return Answers(None, payload.received_at, [payload])
    try:
        sheet = json.loads(payload.content)
        found = [_answer(payload, entry) for entry in sheet["answers"]]
        received = [each.received_at for each in found if each.received_at is not None]
        return Answers(str(sheet["symbol"]), max(received, default=None), found)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{payload.name}: damaged list of answers; fetch or restore it again") from None


def _answer(payload: RawPayload, entry: Mapping[str, Any]) -> RawPayload:
    name = entry["name"]
    content = payload.companions.get(name)
    if content is None or sha256(content).hexdigest() != entry["sha256"]:
        problem = "is missing" if content is None else "is not the one that was received"
        raise SourceError(
            f"{payload.name}: answer {name[:40]!a} {problem}; restore it, or give the answer itself"
        )
    return RawPayload(
        name,
        content,
        _time(entry["received_at"]),
        {},
        _time(entry["sent_at"]),
        entry["url"],
        entry["request_id"],
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else times.iso_utc(text)
