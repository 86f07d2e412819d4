"""`zhishu feed check`: what the hub would do with a file's messages, told before anything is sent.

It runs the channel's own connector with the deployment's profile and throw-away keys; no Kafka and no secrets are needed.
Nothing it tells repeats a value of the file: fields are named, and what is wrong with them.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from connectors import open311, shapes
from connectors.auth import NO_SECRET, ChannelSecret
from connectors.base import Connector, Context, Record
from connectors.bodies import Broken, Message, Parsed
from connectors.declared import SHAPES
from connectors.errors import Refusal
from connectors.intake import as_refusal
from connectors.mapping import clock, compiled
from connectors.places import Places
from connectors.privacy import Privacy, SealKey
from connectors.readers.sheet_process import messages as sheet_messages
from connectors.readers.tables import TableOptions
from connectors.registry import CONNECTORS
from hub.console import CommandError
from hub.secrets import SecretsError, load_secrets
from profiles import Channel, Profile
from profiles.sources import FilesSource

_SHAPES: Final = SHAPES | {"open311": ("", open311.SHAPES)}
_SHEETS: Final = frozenset((".xlsx", ".xlsm", ".xls", ".ods"))
_TYPES: Final = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv",
    ".xml": "application/xml",
    ".form": open311.FORM,
}
#: A file may hold more than one request's batch.
_MANY: Final = 10_000_000
#: Codes of the profile come to light one by one, each once the one before it is put right.
_MOST_PROBLEMS: Final = 20
#: First spellings of the coordinates, which a refused place is about.
_POINT: Final = frozenset(("lon", "lng", "long", "lat", "经度", "纬度"))
_SHOWN: Final = 40
_NOT_UTF8: Final = (
    "the file is not UTF-8, and was read as a file that is dropped; to send it as a request, save it as UTF-8 or declare its "
    "charset, as in Content-Type text/csv; charset=gb18030"
)
_NAMELESS: Final = "a column that the channel does not know"


@dataclass(frozen=True)
class Finding:
    """What is wrong with one field (several names where they are wrong together; empty: the message as a whole)."""

    field: str
    code: str
    what: str


@dataclass(frozen=True)
class Checked:
    """One message: where it stands in the file, and what would become of it.

    status: ok, ignored (no petition by rule) or refused. record: report or progress. matter, place: names of the profile.
    at: local time, ISO 8601.
    """

    where: str
    status: str
    record: str = ""
    matter: str = ""
    place: str = ""
    at: str = ""
    problems: tuple[Finding, ...] = ()


@dataclass
class Result:
    """All of it. `reasons`: problems by their code. note: what to mind where the file was read in another way than it is sent."""

    channel: str
    messages: list[Checked] = field(default_factory=list)
    note: str = ""

    @property
    def counts(self) -> Counter[str]:
        """Messages by status."""
        return Counter(message.status for message in self.messages)

    @property
    def reasons(self) -> Counter[str]:
        """Problems by their code."""
        return Counter(problem.code for message in self.messages for problem in message.problems)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        counts = {status: self.counts[status] for status in ("ok", "ignored", "refused")}
        return {
            "channel": self.channel,
            "note": self.note,
            **counts,
            "reasons": dict(self.reasons.most_common()),
            "messages": [asdict(message) for message in self.messages],
        }


def check(
    profile: Profile,
    channel: Channel,
    path: Path,
    now: int,
    *,
    content_type: str = "",
    limit: int | None = None,
    secret: ChannelSecret = NO_SECRET,
) -> Result:
    """Looks at the file's messages, at most `limit`. now: milliseconds UTC. Raises CommandError for a file nobody could send.

    content_type: of the file as one request, where its name does not tell.
    """
    connector = CONNECTORS.get(channel.protocol)
    if connector is None:
        raise CommandError(f"{channel.id} writes Avro into Kafka itself; see docs/feeds/kafka.md for its check")
    privacy = Privacy(os.urandom(32), {"check": SealKey(os.urandom(32))}, "check")
    roomy = replace(channel, max_records=_MANY)
    ctx = Context(profile, roomy, privacy, Places(profile), ZoneInfo(profile.timezone), now, secret)
    result = Result(channel.id)
    try:
        for where, item in islice(_items(path, content_type, connector, ctx, result), limit):
            result.messages.append(_checked(where, item, connector, ctx))
    except Refusal as refusal:
        result.messages.append(Checked("file", "refused", problems=(_finding(refusal),)))
    return result


def known_secret(path: Path, channel: Channel) -> ChannelSecret:
    """The channel's secret where this machine has it: what WeChat encrypted can't be opened without. Else none."""
    try:
        return load_secrets(path).channels.get(channel.id, NO_SECRET)
    except SecretsError:
        return NO_SECRET


def _items(
    path: Path, content_type: str, connector: Connector, ctx: Context, result: Result
) -> Iterator[tuple[str, Message | Broken]]:
    """The file's messages with their places in it, and the result's note; raises Refusal where it can't be read as a whole."""
    suffix = path.suffix.lower()
    source = ctx.channel.source
    if not content_type and (suffix in _SHEETS or (suffix == ".csv" and isinstance(source, FilesSource))):
        yield from _rows(path, ctx.channel)
        return
    media = content_type or _TYPES.get(suffix, "")
    if not media:
        known = ", ".join(sorted({*_TYPES, *_SHEETS}))
        raise CommandError(f"{path.name}: give --content-type, or a name that ends in one of {known}")
    body = path.read_bytes()
    try:
        parsed: Parsed | None = None if media == open311.FORM else _whole(body, media, connector, ctx)
    except Refusal as refusal:
        if suffix == ".csv" and not content_type and refusal.code == "bad_encoding":
            result.note = _NOT_UTF8
            yield from _rows(path, ctx.channel)
            return
        if suffix != ".xml" or refusal.code != "bad_xml" or body.count(b"\n") < 1:
            raise
        parsed = None
    if parsed is None:  # a message a line, as `zhishu play` reads it
        yield from _by_line(body, media, connector, ctx)
        return
    unit = {"application/x-ndjson": "line", "text/csv": "row"}.get(media, "message")
    for number, item in enumerate(parsed.items, start=1):
        yield f"{unit} {number}", item


def _whole(body: bytes, media: str, connector: Connector, ctx: Context) -> Parsed:
    """The messages of a body; raises Refusal for one that is none, also where its connector keeps what can be kept of it."""
    parsed = connector.parse(body, media, ctx)
    if parsed.single:
        (item,) = parsed.items
        if isinstance(item, Broken):
            raise item.refusal
        return Parsed([item], single=True)
    return parsed


def _by_line(body: bytes, media: str, connector: Connector, ctx: Context) -> Iterator[tuple[str, Message | Broken]]:
    for number, line in enumerate(body.split(b"\n"), start=1):
        if line.strip():
            try:
                for item in connector.parse(line.strip(), media, ctx).items:
                    yield f"line {number}", item
            except Refusal as refusal:
                yield f"line {number}", Broken(line, refusal)


def _rows(path: Path, channel: Channel) -> Iterator[tuple[str, Message | Broken]]:
    """Rows of a spreadsheet, as the reader of dropped files reads them."""
    options, source = TableOptions(), channel.source
    if isinstance(source, FilesSource):
        names = TableOptions.__dataclass_fields__
        options = TableOptions(**{name: getattr(source, name) for name in names})
    for row in sheet_messages(path, options):
        if error := row.get("error"):
            raise Refusal("bad_field", str(error))
        if "fields" in row:
            where = f"{row['sheet']} row {row['line']}".strip()
            message = Message(row["fields"], b"")
            problem = _without_values(row["problem"], channel)
            yield where, Broken(b"", Refusal("bad_field", problem)) if problem else message


def _without_values(problem: str, channel: Channel) -> str:
    """A row's problem without the columns that the channel does not know: where the header is missing they are values."""
    names, mark, what = problem.partition(": stands as ")
    if not mark:
        return problem
    _, kinds = _SHAPES.get(channel.protocol, ("", {}))
    known = {name for shape in kinds.values() for name in shape.spellings}
    told = {
        name
        if name.rpartition("/")[2] in known or any(name in path for path in channel.mapping.values())
        else _NAMELESS
        for name in names.split(", ")
    }
    return f"{', '.join(sorted(told))}{mark}{what}"


def _checked(where: str, item: Message | Broken, connector: Connector, ctx: Context) -> Checked:
    if isinstance(item, Broken):
        return Checked(where, "refused", problems=(_finding(item.refusal),))
    found = _problems(item, ctx)
    record: Record | None = None
    message, channel = item, ctx.channel
    for _ in range(_MOST_PROBLEMS):
        message, channel = _without(message, channel, found, ctx)
        try:
            record = connector.normalise(message, replace(ctx, channel=channel))
            break
        except Exception as error:  # the intake, too, refuses a message that trips a connector
            more = _located(_finding(as_refusal(error)), message, ctx.channel)
            if any(more.field == known.field for known in found):
                break
            found.append(more)
    if found:
        return Checked(where, "refused", problems=tuple(found))
    return _told(where, record, ctx)


def _problems(message: Message, ctx: Context) -> list[Finding]:
    """What is wrong with the fields by themselves, for the protocols that declare them."""
    if ctx.channel.protocol not in _SHAPES:
        return []
    try:
        source = compiled(ctx.channel).apply(message.fields)
    except Refusal as refusal:
        return [_finding(refusal)]
    kind, supposed = _kind(source, ctx.channel)
    if not kind:
        return []
    kind_field, kinds = _SHAPES[ctx.channel.protocol]
    found = [
        Finding(one.field, one.refusal.code, _what(one.refusal))
        for one in shapes.problems(kinds[kind], source, clock(ctx.channel, ctx.zone))
    ]
    if not supposed:
        return found
    says = f"is missing for the nearest kind, {kind}; give it, or name another kind in {kind_field}"
    return [replace(one, what=says) if one.code == "missing_field" else one for one in found]


def _kind(source: Mapping[str, Any], channel: Channel) -> tuple[str, bool]:
    """The message's kind, and whether it is only supposed: without a word for it, the kind most of whose fields are given.

    Empty where the connector knows more words for its kinds, or refuses.
    """
    kind_field, kinds = _SHAPES[channel.protocol]
    if len(kinds) == 1:
        return next(iter(kinds)), False
    try:
        return shapes.kind_of(source, kind_field, kinds, {}), False
    except Refusal:
        if shapes.clean(source.get(kind_field)) is not None:
            return "", False
    known = {kind: len(shapes.picked(source, shape.spellings)) for kind, shape in kinds.items()}
    nearest = max(known, key=known.__getitem__)
    return (nearest, True) if known[nearest] else ("", False)


def _located(finding: Finding, message: Message, channel: Channel) -> Finding:
    """A refused place under the names of its coordinates, as the sender spells them."""
    if finding.field or finding.code != "bad_location" or channel.protocol not in _SHAPES:
        return finding
    source = compiled(channel).apply(message.fields)
    kind, _ = _kind(source, channel)
    if not kind:
        return finding
    shape = _SHAPES[channel.protocol][1][kind]
    names = [str(info.alias) for info in shape.model_fields.values() if info.alias in _POINT]
    spelt = (
        next((key for key, first in shape.spellings.items() if first == name and key in source), name) for name in names
    )
    return replace(finding, field=", ".join(spelt))


def _without(message: Message, channel: Channel, found: list[Finding], ctx: Context) -> tuple[Message, Channel]:
    """The message as it would be with its known problems put right: each field's own example in place of a needed one,
    nothing in place of any other.
    """
    wrong = {name.strip().partition(".")[0] for finding in found for name in finding.field.split(",")} - {""}
    if not wrong or channel.protocol not in _SHAPES:
        return message, channel
    source = compiled(channel).apply(message.fields)
    kind, _ = _kind(source, channel)
    if not kind:
        return message, channel
    kind_field, kinds = _SHAPES[channel.protocol]
    shape = kinds[kind]
    firsts = {shape.spellings.get(name, name) for name in wrong}
    kept = {name: value for name, value in source.items() if shape.spellings.get(name, name) not in firsts}
    for info in shape.model_fields.values():
        if info.is_required() and info.alias in firsts and info.examples:
            kept[str(info.alias)] = info.examples[0]
    if kind_field and not kept.get(kind_field):
        kept[kind_field] = kind
    # The fields carry the protocol's own names by now, and hold the constants.
    constants = {name: value for name, value in channel.constants.items() if name not in kept}
    return Message(kept, message.raw), replace(channel, mapping={}, constants=constants, codes={})


def _finding(refusal: Refusal) -> Finding:
    name, mark, _ = refusal.reason.partition(": ")
    named = mark and all(part.replace("_", "").replace(".", "").isalnum() for part in name.split(", "))
    return Finding(name if named else "", refusal.code, _what(refusal) if named else refusal.reason)


def _what(refusal: Refusal) -> str:
    return refusal.reason.partition(": ")[2] or refusal.reason


def _told(where: str, record: Record | None, ctx: Context) -> Checked:
    if record is None:
        return Checked(where, "ignored")
    if record[0] == "progress":
        step = record[1]
        return Checked(where, "ok", "progress", step["step"], "", _local(step["occurred_at"], ctx))
    report = record[1]
    matter = ctx.profile.matters.get(report["matter_kind"])
    city, table, kind, code = [*(report["kind_code"] or "").split("/", 3), "", "", ""][:4]
    named = ctx.profile.kinds.get((city, table, kind, code))
    community = ctx.profile.communities.get(report["community_code"] or "")
    street = ctx.places.streets.get(report["street_code"] or "", "")
    place = f"{community.street} {community.name}" if community else street
    how = report["location_method"] or ("unregistered camera" if report["device_id"] else "")
    return Checked(
        where,
        "ok",
        "report",
        matter.name_zh if matter else named[1] if named else "",
        f"{place} ({how})" if place else f"({how})" if how else "",
        _local(report["reported_at"], ctx),
    )


def _local(moment: int, ctx: Context) -> str:
    return datetime.fromtimestamp(moment / 1000, ctx.zone).isoformat(timespec="seconds")


def shown(result: Result) -> Group:
    """The result for a person: the messages that are refused with every problem, some of the good ones, and the counts."""
    refused = [message for message in result.messages if message.status == "refused"]
    others = [message for message in result.messages if message.status != "refused"]
    parts: list[Table | Text] = []
    if refused:
        parts.append(_refused(refused))
    if others:
        parts.append(_others(others))
    if result.reasons:
        reasons = Table("reason", "problems", box=SIMPLE_HEAD)
        for code, count in result.reasons.most_common():
            reasons.add_row(code, f"{count:,}")
        parts.append(reasons)
    counts = result.counts
    if result.note:
        parts.append(Text(result.note, "yellow"))
    line = f"{counts['ok']:,} ok, {counts['ignored']:,} ignored by rule, {counts['refused']:,} refused"
    return Group(*parts, Text(f"{result.channel}: {line}", "bold"))


def _refused(messages: Sequence[Checked]) -> Table:
    table = Table("where", "field", "what is wrong", "what to do", "reason", box=SIMPLE_HEAD, title="refused")
    for message in messages[:_SHOWN]:
        for number, problem in enumerate(message.problems):
            wrong, _, remedy = problem.what.partition("; ")
            where = Text("" if number else message.where, "red")
            table.add_row(where, Text(problem.field, "bold"), Text(wrong), Text(remedy), Text(problem.code, "dim"))
    return _counted(table, len(messages))


def _others(messages: Sequence[Checked]) -> Table:
    table = Table("where", "", "record", "what", "place", "time", box=SIMPLE_HEAD, title="taken")
    for message in messages[:_SHOWN]:
        status = Text(message.status, "green" if message.status == "ok" else "dim")
        table.add_row(message.where, status, message.record, Text(message.matter), Text(message.place), message.at)
    return _counted(table, len(messages))


def _counted(table: Table, total: int) -> Table:
    if total > _SHOWN:
        table.caption = f"the first {_SHOWN} of {total:,}; --json has all"
    return table
