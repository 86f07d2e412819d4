"""What every connector shares: the context it decides in, and the way from what it read to the Avro records.

A connector is two pure functions: `parse` (body -> messages) and `normalise` (message -> record, None for a message that
is no petition by rule). Both raise Refusal. Bytes in, records out; no input or output happens here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

import orjson

from connectors import kinds
from connectors.auth import ChannelSecret
from connectors.bodies import Message, Parsed
from connectors.errors import Refusal
from connectors.geo import located
from connectors.outlines import Spot
from connectors.places import Places
from connectors.privacy import Privacy
from connectors.times import not_later
from profiles import Camera, Channel, Crs, Profile
from schemas.ids import progress_id, report_id
from schemas.personal import Known, known_name, known_phone, mask_id, mask_phone, mask_text, phone_digits
from schemas.records import Progress, Report

#: A tip-off (举报) is confidential even where its source forgot to say so.
_TIP_OFF: Final = "report"
#: How sure names in fields of their own make us, and a text that the point contradicts; 0017-places.md.
_NAMED_COMMUNITY: Final = 0.95
_NAMED_STREET: Final = 0.9
_DOUBTED: Final = 0.6
#: A shorter account name would be found inside innocent words.
_SHORTEST_ACCOUNT: Final = 6

#: Characters of a message's texts together: masking spoken digits takes some 20 microseconds for each.
_MOST_TEXT: Final = 30_000


@dataclass(frozen=True, slots=True)
class Context:
    """All a connector may know besides the message.

    received_at: when the request came, milliseconds UTC. secret: the channel's own, for protocols that encrypt. query: the
    request's query parameters. tail: what follows the channel's address, as in "VIID/System/Keepalive"; empty mostly.
    """

    profile: Profile
    channel: Channel
    privacy: Privacy
    places: Places
    zone: ZoneInfo
    received_at: int
    secret: ChannelSecret = field(default_factory=ChannelSecret)
    query: Mapping[str, str] = field(default_factory=dict)
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reported, as the message gave it; none of it leaves the gateway readable.

    `phones` in order of trust. `account`: kind and value of another identity (openid, id).
    """

    name: str = ""
    phones: tuple[str, ...] = ()
    account: tuple[str, str] | None = None


@dataclass(slots=True)
class Appeal:
    """What a connector read of a message that asks for something; `to_report` makes the record of it.

    kind, code: the source's class in `table`; `code_field` is its name for errors. Without code, keywords decide.
    community, street: codes named in the message. community_name, street_name: names given in fields of their own.
    """

    upstream_id: str
    reported_at: int
    appeal_type: str
    title: str = ""
    content: str = ""
    address: str = ""
    via: str = ""
    family: str | None = None
    kind: kinds.Kind | None = None
    category_path: list[str] = field(default_factory=list)
    community: str = ""
    street: str = ""
    community_name: str = ""
    street_name: str = ""
    place: str = ""
    grid_code: str = ""
    lon: float | None = None
    lat: float | None = None
    crs: Crs | None = None
    camera: Camera | None = None
    device_id: str = ""
    reporter: Reporter = Reporter()
    confidential: bool = False
    urgency: str = "normal"
    due_at: int | None = None
    related: list[str] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Step:
    """What a connector read of one step in the life of a case; `to_progress` makes the record of it."""

    upstream_id: str
    step: str
    occurred_at: int
    step_id: str = ""
    unit: str = ""
    level: str | None = None
    contacted: bool | None = None
    solved: bool | None = None
    satisfaction: str | None = None
    extended_to: int | None = None
    note: str = ""
    extra: dict[str, str] = field(default_factory=dict)


Record = tuple[Literal["report"], Report] | tuple[Literal["progress"], Progress]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message: accepted (with its record's id and subject), refused (with its refusal), or ignored."""

    status: Literal["accepted", "refused", "ignored"]
    id: str = ""
    record: str = ""
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer in the protocol's own words."""

    body: bytes
    content_type: str
    status: int = 200


class Parse(Protocol):
    """A body to messages; raises Refusal. Takes at most `ctx.channel.max_records` of a batch."""

    def __call__(self, body: bytes, content_type: str, ctx: Context) -> Parsed: ...


class Answer(Protocol):
    """The protocol's own answer once Kafka has the records of `outcomes` (in the order of the messages)."""

    def __call__(self, body: bytes, content_type: str, outcomes: Sequence[Outcome], ctx: Context) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Connector:
    """One protocol.

    repeats: whether its senders can mend and repeat a refused message; if not, it is dead-lettered.
    answer: the protocol's own answer; None: the hub's JSON. roots: addresses fixed by the protocol (first parts of the
    path), where the sender's own name, not the address, tells its channel.
    """

    parse: Parse
    normalise: Callable[[Message, Context], Record | None]
    repeats: bool = True
    answer: Answer | None = None
    roots: tuple[str, ...] = ()


def to_report(appeal: Appeal, meaning: dict[str, Any], raw: bytes, ctx: Context) -> Record:
    """The Report of an appeal. `meaning`: the message's fields that the protocol knows, over which the content hash runs;
    `raw`: the message's own bytes, for the seal. Raises Refusal (bad_time, bad_location, unknown_code).
    """
    channel, places = ctx.channel, ctx.places
    not_later(appeal.reported_at, "the time of the report", ctx.received_at)
    _check_length(appeal.title, appeal.content, *appeal.category_path, *appeal.attachments, *appeal.extra.values())
    identity = report_id(channel.feed, channel.id, appeal.upstream_id)
    confidential = appeal.confidential or appeal.appeal_type == _TIP_OFF
    reporter_key, reporter_mask = _reporter(appeal, ctx.privacy)
    known = _known(appeal.reporter)

    def masked(text: str) -> str:
        return mask_text(text, known, fully=confidential)

    title, content, address = masked(appeal.title), masked(appeal.content), masked(appeal.address)
    kind = appeal.kind or kinds.by_keywords(ctx.profile, f"{title}\n{content}")
    matter = ctx.profile.matters.get(kind.matter)

    crs = appeal.crs or channel.crs
    point = None if appeal.lon is None or appeal.lat is None else located(appeal.lon, appeal.lat, crs, ctx.profile.bbox)
    if (appeal.lon is None) != (appeal.lat is None):
        raise Refusal("bad_location", "longitude and latitude must both be given, or neither")
    if appeal.camera is not None:
        point = (appeal.camera.lon, appeal.camera.lat)
    spot = places.at(point, appeal.reported_at) if point else None
    where = _area(appeal, places, spot, (address, title, content))
    # A point that lies elsewhere than the place given says nothing about grids.
    fits = spot is not None and (where.community, where.street) in (
        (spot.community_code, spot.street_code),
        (None, None),
    )
    grids = spot if fits else None
    grid_code = (grids.grid_code if grids else None) or appeal.grid_code
    extra = _masked_extra(appeal.extra, masked)
    if appeal.grid_code and appeal.grid_code != grid_code:
        extra["source_grid"] = appeal.grid_code

    report: Report = {
        "report_id": identity,
        "feed": channel.feed,
        "channel": channel.id,
        "place_key": appeal.device_id or ctx.profile.county_code,
        "matter_kind": kind.matter,
        "reporter_key": reporter_key,
        "content_hash": _fingerprint(meaning, ctx.privacy),
        "reported_at": appeal.reported_at,
        "received_at": ctx.received_at,
        "confidential": confidential,
        "upstream_id": appeal.upstream_id,
        "via": masked(appeal.via) or None,
        "appeal_type": appeal.appeal_type,
        "family": appeal.family or (matter.family if matter else None),
        "kind_code": kind.code,
        "category_path": [masked(part) for part in appeal.category_path],
        "title": title,
        "content": content,
        "reporter_mask": None if confidential else reporter_mask,
        "address": address or None,
        "street_code": where.street,
        "community_code": where.community,
        "grid_code": grid_code or None,
        "lon": point[0] if point else None,
        "lat": point[1] if point else None,
        "source_lon": appeal.lon,
        "source_lat": appeal.lat,
        "source_crs": crs if appeal.lon is not None else None,
        "location_method": where.method,
        "urgency": appeal.urgency,
        "device_id": appeal.device_id or None,
        "source_due_at": appeal.due_at,
        "related_upstream_ids": appeal.related,
        "attachments": [masked(part) for part in appeal.attachments],
        "extra": extra,
        "sealed": ctx.privacy.seal(raw, identity),
        "sealed_key_id": ctx.privacy.seal_key_id,
        "location_confidence": where.confidence,
        "professional_grids": list(grids.professional_grids) if grids else [],
        "part_ids": [],
    }
    return "report", report


def to_progress(step: Step, meaning: dict[str, Any], ctx: Context) -> Record:
    """The Progress of a step; `meaning` as for `to_report`. Raises Refusal (bad_time).

    A step does not know whether its case is confidential, so that its texts show nothing of any number found in them.
    """
    channel = ctx.channel
    not_later(step.occurred_at, "the time of the step", ctx.received_at)
    _check_length(step.note, *step.extra.values())
    case = report_id(channel.feed, channel.id, step.upstream_id)
    fingerprint = _fingerprint(meaning, ctx.privacy)
    progress: Progress = {
        "progress_id": progress_id(case, step.step, step.occurred_at, step.step_id or None, fingerprint),
        "report_id": case,
        "feed": channel.feed,
        "channel": channel.id,
        "upstream_id": step.upstream_id,
        "step": step.step,
        "occurred_at": step.occurred_at,
        "received_at": ctx.received_at,
        "upstream_step_id": step.step_id or None,
        "unit": mask_text(step.unit, fully=True) or None,
        "level": step.level,
        "contacted": step.contacted,
        "solved": step.solved,
        "satisfaction": step.satisfaction,
        "extended_to": step.extended_to,
        "note": mask_text(step.note, fully=True) or None,
        "extra": _masked_extra(step.extra, lambda text: mask_text(text, fully=True)),
    }
    return "progress", progress


def _check_length(*texts: str) -> None:
    if sum(map(len, texts)) > _MOST_TEXT:
        raise Refusal("too_large", f"the message's texts are over {_MOST_TEXT} characters together; shorten them")


def _masked_extra(extra: dict[str, str], masked: Callable[[str], str]) -> dict[str, str]:
    """The given entries masked: the names too, which may be the sender's own, but for plain words, which are ours mostly."""
    return {
        name if name.isascii() and name.isalpha() else masked(name): masked(value)
        for name, value in extra.items()
        if value
    }


def _reporter(appeal: Appeal, privacy: Privacy) -> tuple[str | None, str | None]:
    """Key for joining and mask for reading; a camera is its own reporter."""
    if appeal.device_id:
        return appeal.device_id, None
    for given in appeal.reporter.phones:
        if digits := phone_digits(given):
            return privacy.key_of("phone", digits), mask_phone(digits)
    if appeal.reporter.account:
        kind, value = appeal.reporter.account
        return privacy.key_of(kind, value), mask_id(value)
    return None, None


def _known(reporter: Reporter) -> list[Known]:
    known = known_name(reporter.name)
    for given in reporter.phones:
        known += known_phone(given)
    if reporter.account and len(reporter.account[1]) >= _SHORTEST_ACCOUNT:
        known.append((reporter.account[1], mask_id(reporter.account[1])))
    return known


def _fingerprint(meaning: dict[str, Any], privacy: Privacy) -> str:
    try:
        return privacy.fingerprint(orjson.dumps(meaning, option=orjson.OPT_SORT_KEYS))
    except TypeError:  # of what was read from JSON or XML, only too deep a nesting can't be written
        raise Refusal("bad_field", "the message is nested too deeply; send its fields flat") from None


@dataclass(frozen=True, slots=True)
class _Where:
    """A report's place, as its record tells it."""

    community: str | None = None
    street: str | None = None
    method: str | None = None
    confidence: float | None = None


def _area(appeal: Appeal, places: Places, spot: Spot | None, texts: tuple[str, str, str]) -> _Where:
    """Community, street and how they were found: camera, codes, names in their own fields, the point, free text.

    docs/decisions/0017-places.md has the order and the confidences.
    """
    if appeal.camera is not None:
        community = places.communities[appeal.camera.community_code]
        return _Where(community.code, community.street_code, "register", 1.0)
    if appeal.device_id:
        # The text of an unregistered camera's alarm says nothing about its place.
        return _Where()
    if appeal.community:
        community = places.communities[appeal.community]
        return _Where(community.code, community.street_code, "code", 1.0)
    street = appeal.street or places.street_named(appeal.street_name)
    by_street = _Where(None, street, "code", 1.0) if appeal.street else _Where(None, street, "name", _NAMED_STREET)
    named = places.community_named(appeal.community_name, street) if appeal.community_name else None
    if named is not None:
        return _Where(named.code, named.street_code, "name", _NAMED_COMMUNITY)
    if spot is not None and spot.street_code is not None and street in (None, spot.street_code):
        return _Where(spot.community_code, spot.street_code, spot.method, spot.confidence)
    if spot is not None and (street or spot.method == "sea"):
        return by_street if street else _Where(None, None, "sea", spot.confidence)
    told = places.in_texts(texts, street)
    if spot is not None:
        # A neighbour's place, or a bad geocode of one here: only a community named in the text speaks for the latter.
        if told is not None and told.community is not None:
            return _Where(told.community.code, told.street_code, told.method, min(told.confidence, _DOUBTED))
        return _Where(None, None, spot.method, spot.confidence if spot.method == "outside" else None)
    if told is not None and (told.community is not None or not street):
        return _Where(told.community.code if told.community else None, told.street_code, told.method, told.confidence)
    return by_street if street else _Where()
