"""Raise, decide, send, confirm: each step is an event, and the next one starts from what is written down.

What belongs here: whom an event is told and when, and that it is told at least once. What does not: SQL,
words, channels. A sender that dies after a channel has accepted and before that is written down sends again:
twice is possible, never is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from periscope_assets.alerts.channels import RefusedError, Send
from periscope_assets.alerts.incidents import (
    RAISED,
    REMINDED,
    RESOLVED,
    Episode,
    Incident,
    episodes,
    is_more_urgent,
)
from periscope_assets.alerts.messages import PER_MESSAGE, Links, compose
from periscope_assets.operations_settings import ALERT_ZONE, AlertSettings, Tier
from periscope_assets.store.alerts import AlertLog, Delivery, Pending
from periscope_assets.store.people import AlertEvent

ALONE = 5
"""Up to so many that are due together on a channel come as messages of their own, more as lists."""
DECISIONS = 5000
_ATTEMPTS = 2
"""Messages that a channel may refuse in one tick before it is left alone until the next."""
_ALONE_AFTER = 3
_NO_CHANNEL, _PARENT, _TAKEN = "no channel of its tier", "explained by", "acknowledged"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a tick did: events decided, told and refused, and why the last refusal."""

    decided: int = 0
    sent: int = 0
    refused: int = 0
    reason: str | None = None


def report(
    log: AlertLog, raised: Iterable[Incident], resolved: Mapping[str, str], now: datetime
) -> tuple[int, int]:
    """Raise incidents and resolve others by key, with why; return how many of each were news.

    What is open already is not raised again, unless it has become more urgent; what is not open is not
    resolved.
    """
    latest = {incident.key: incident for incident in raised}
    known = {each.incident.key: each for each in episodes(log.open_alerts(incidents=[*latest, *resolved]))}
    news = [incident for incident in latest.values() if _is_news(incident, known.get(incident.key))]
    ended = {key: why for key, why in resolved.items() if key in known and key not in latest}
    events = [(one.key, RAISED, _continued(one, known.get(one.key))) for one in news]
    events += [(key, RESOLVED, known[key].incident.to_details() | {"why": why}) for key, why in ended.items()]
    log.add_alerts(events, now)
    return len(news), len(ended)


def _is_news(incident: Incident, standing: Episode | None) -> bool:
    return standing is None or is_more_urgent(incident.urgency, standing.incident.urgency)


def _continued(incident: Incident, standing: Episode | None) -> dict[str, object]:
    """Return what is written down: of one that has become more urgent, since when it began."""
    details = incident.to_details()
    return details if standing is None else details | {"since": standing.incident.since.isoformat()}


def deliver(
    log: AlertLog, settings: AlertSettings, senders: Mapping[str, Send], links: Links, now: datetime
) -> Sent:
    """Decide about what is new, send what is due, and write down what was accepted.

    Parameters
    ----------
    log : AlertLog
    settings : AlertSettings
    senders : mapping of str to callable
        One for each channel of the settings.
    links : Links
    now : datetime
        Decides what is due and which acknowledgements are in force.
    """
    with log.sole_sender() as is_sole:
        if not is_sole:
            return Sent(reason="another sender is at work")
        decided = _decide(log, settings, now)
        total = Sent(decided)
        for name, send in senders.items():
            total = _drain(log, name, send, settings, links, now, total)
        return total


def _decide(log: AlertLog, settings: AlertSettings, now: datetime) -> int:
    standing = {each.incident.key: each for each in episodes(log.open_alerts())}
    held = _held(log, standing)
    log.add_alerts(
        [(key, REMINDED, standing[key].incident.to_details()) for key in _to_remind(held, standing, now)], now
    )
    events = log.undecided(DECISIONS)
    told = _channels_told(log, events)
    deliveries = [each for event in events for each in _decision(event, settings, standing, told, now)]
    log.record(deliveries, now)
    return len(events)


def _held(log: AlertLog, standing: Mapping[str, Episode]) -> set[str]:
    """Return the open incidents that were held back at last, for a reason that passes."""
    last: dict[str, bool] = {}
    for each in log.told(list(standing)):
        if each.alert_id >= standing[each.incident].alert_id:
            last[each.incident] = each.kind == "suppressed" and each.note != _NO_CHANNEL
    return {key for key, is_held in last.items() if is_held}


def _to_remind(held: set[str], standing: Mapping[str, Episode], now: datetime) -> list[str]:
    """Return the open incidents to tell again: nothing holds them back now, and something did."""
    found = []
    for key, episode in standing.items():
        lapsed = episode.acknowledged_id > episode.reminded_id and not episode.is_acknowledged(now)
        if (key in held or lapsed) and _reason_to_hold(episode, standing, now) is None:
            found.append(key)
    return found


def _reason_to_hold(episode: Episode, standing: Mapping[str, Episode], now: datetime) -> str | None:
    parent = episode.incident.parent
    if parent and parent in standing:
        return f"{_PARENT} {parent}"
    return _TAKEN if episode.is_acknowledged(now) else None


def _channels_told(log: AlertLog, events: Sequence[AlertEvent]) -> dict[str, set[str]]:
    """Return on which channels incidents that are resolved now were told since they were raised last."""
    ended = sorted({event.incident for event in events if event.kind == RESOLVED})
    told: dict[str, set[str]] = {}
    for each in log.told(ended) if ended else []:
        if each.event == RESOLVED:
            told.pop(each.incident, None)
        elif each.kind == "decided":
            told.setdefault(each.incident, set()).add(each.channel)
    return told


def _decision(
    event: AlertEvent,
    settings: AlertSettings,
    standing: Mapping[str, Episode],
    told: Mapping[str, set[str]],
    now: datetime,
) -> list[Delivery]:
    """Return on which channels an event is sent and when, or that it is not, and why."""
    tier: Tier = event.details["tier"]
    channels = [name for name, channel in settings.channels.items() if tier in channel.tiers]
    if event.kind == RESOLVED:
        channels = [name for name in channels if name in told.get(event.incident, ())]
    elif (episode := standing.get(event.incident)) is not None:
        reason = _reason_to_hold(episode, standing, now)
        if reason is not None:
            return [Delivery(event.event_id, "", "suppressed", note=reason)]
    if not channels:
        note = "its beginning was not told" if event.kind == RESOLVED else _NO_CHANNEL
        return [Delivery(event.event_id, "", "suppressed", note=note)]
    due = due_at(tier, settings, now)
    return [Delivery(event.event_id, name, "decided", due_at=due) for name in channels]


def due_at(tier: Tier, settings: AlertSettings, now: datetime) -> datetime:
    """Return when something of a tier that comes up at a time is sent, UTC."""
    if tier == "digest":
        return _next(settings.digest_at, now)
    quiet_from, quiet_until = settings.quiet_from, settings.quiet_until
    if tier == "page" or quiet_from is None or quiet_until is None:
        return now
    clock = now.astimezone(ALERT_ZONE).time()
    over_midnight = quiet_from > quiet_until
    is_quiet = (
        clock >= quiet_from or clock < quiet_until if over_midnight else quiet_from <= clock < quiet_until
    )
    return _next(quiet_until, now) if is_quiet else now


def _next(at: time, now: datetime) -> datetime:
    """Return the first instant after `now` at which clocks show a time."""
    local = now.astimezone(ALERT_ZONE)
    found = datetime.combine(local.date(), at, tzinfo=ALERT_ZONE)
    if found <= local:
        found = datetime.combine(local.date() + timedelta(days=1), at, tzinfo=ALERT_ZONE)
    return found.astimezone(UTC)


def _drain(
    log: AlertLog,
    name: str,
    send: Send,
    settings: AlertSettings,
    links: Links,
    now: datetime,
    total: Sent,
) -> Sent:
    """Send what is due on a channel, confirming message by message; stop when it refuses repeatedly."""
    due = log.pending(name, now, settings.per_tick * PER_MESSAGE)
    sent, refused, reason, failures = total.sent, total.refused, total.reason, 0
    for batch in _batches(due)[: settings.per_tick]:
        kind, note = "sent", None
        try:
            send(compose([each.event for each in batch], links))
            sent += len(batch)
        except RefusedError as error:
            kind, note, reason = "failed", str(error), str(error)
            refused, failures = refused + len(batch), failures + 1
        log.record([Delivery(each.event.event_id, name, kind, note=note) for each in batch], now)
        if failures >= _ATTEMPTS:
            break
    return Sent(total.decided, sent, refused, reason)


def _batches(due: Sequence[Pending]) -> list[list[Pending]]:
    """Return what is due in messages: pages before others, and what was refused before after both.

    Few are told one by one, many in lists; what was refused repeatedly comes alone, so that one message which
    a channel never takes holds nothing else back.
    """
    found: list[list[Pending]] = []
    for group in _groups(due):
        alone = len(group) <= ALONE or group[0].attempts >= _ALONE_AFTER
        size = 1 if alone else PER_MESSAGE
        found += [list(group[n : n + size]) for n in range(0, len(group), size)]
    return found


def _groups(due: Sequence[Pending]) -> list[list[Pending]]:
    groups: dict[tuple[int, bool], list[Pending]] = {}
    for each in due:
        key = (min(each.attempts, _ALONE_AFTER), each.event.details["tier"] != "page")
        groups.setdefault(key, []).append(each)
    return [groups[key] for key in sorted(groups)]
