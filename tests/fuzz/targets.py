"""What is fuzzed: one target a parser, each a function of bytes that fails when the parser breaks one of its promises.

The promises: only the errors its documentation names come out; an error's text holds nothing of the input; a record holds no
personal data; no input takes more than a second of the processor. `TARGETS` is all of them; `guarded` runs one on an input.
"""

import re
import signal
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast
from urllib.parse import parse_qsl
from zlib import crc32
from zoneinfo import ZoneInfo

import orjson

from connectors import auth, bodies, canonical, digest, geo, mapping, multipart, times, wechat, wechat_crypto, xml
from connectors.auth import ChannelSecret
from connectors.base import Connector, Context, Outcome, Record
from connectors.bodies import Broken
from connectors.errors import Refusal
from connectors.open311 import catalogue, requests
from connectors.places import Places
from connectors.privacy import Privacy, SealKey
from connectors.readers import georeport
from connectors.readers.loop import SourceError
from connectors.readers.sheet_process import messages
from connectors.readers.tables import TableOptions
from connectors.registry import CONNECTORS
from profiles import Crs, ProfileError, load_profile
from schemas.codec import Codec, DecodeError
from schemas.personal import mask_text, phone_digits
from schemas.records import Report
from schemas.registry import FileRegistry
from streams.chunks import check, check_direct

PROFILE: Final = load_profile(Path(__file__).resolve().parents[2] / "profiles" / "demo")
NOW: Final = 1_763_596_800_000  # 2025-11-20, as in the examples' tests
CODEC: Final = Codec(FileRegistry())
PLACES: Final = Places(PROFILE)
PRIVACY: Final = Privacy(b"fuzzing: HMAC key of 32 bytes ..", {"f": SealKey(b"fuzzing: seal key of 32 bytes ..")}, "f")
ZONE: Final = ZoneInfo(PROFILE.timezone)
EXAMPLES: Final = Path(wechat.__file__).parent / "examples"

#: Made-up personal data with which the examples are planted. None of it may stand in an error, nor readable in a record: that is
#: by itself, since among other digits it is another number.
PHONE, NAME, IDENTITY, EMAIL = "13800001234", "甄样本", "110101199003070038", "zhen@example.com"
PLANTED: Final = (PHONE, NAME, IDENTITY, EMAIL)
_PLANTED_PHONE: Final = re.compile(rf"(?<![\dA-Za-z]){PHONE}(?![\dA-Za-z])")
_PLANTED_IDENTITY: Final = re.compile(rf"(?<![\dA-Za-z]){IDENTITY}(?![\dA-Za-z])")

#: Seconds of the processor that one input may take.
LIMIT_S: Final = 1.0
#: Text is repeated up to this length, so that a search which is slow on long texts shows it on a short input.
_LONG: Final = 8_000

_WECHAT: Final = ChannelSecret(token="made-up-token", aes_keys=("A" * 43,), app_id="wx0000000000000000")
_NO_SECRET: Final = ChannelSecret()
_DIGEST_KEY: Final = b"fuzzing: digest key of 32 bytes."


class BrokenPromiseError(AssertionError):
    """A parser did what it promised not to do."""


class HangError(BrokenPromiseError):
    """An input took too long."""


@dataclass(frozen=True)
class Target:
    """A parser under test. seeds: inputs to begin with. share: of all inputs, relative to the others'."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    share: int = 2


def guarded(target: Target, data: bytes, limit_s: float = LIMIT_S) -> None:
    """Runs a target on one input; raises whatever it should not, and HangError after `limit_s` seconds of the processor."""
    signal.signal(signal.SIGVTALRM, _hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
    try:
        target.run(data)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _hang(_signal: int, _frame: FrameType | None) -> None:
    raise HangError("an input takes too long")


# --- promises --------------------------------------------------------------------------------------------------------


def check_said(error: Exception | str) -> None:
    """An error's text: one line, short, and nothing of what was planted."""
    text = str(error)
    _demand(not any(planted in text for planted in PLANTED), "an error tells a value of the message")
    _demand(len(text) < 1_000 and "\n" not in text and bool(text), "an error is no short line")


def check_record(found: Record) -> None:
    """A record: it can be written and is read back the same, and none of its texts holds personal data."""
    subject, record = found
    _demand(CODEC.decode(CODEC.encode(subject, record))[1] == record, "a record is read back differently")
    if subject == "report":
        try:
            check(cast(Report, record), record["feed"], PROFILE.channels[record["channel"]])
        except DecodeError as error:
            raise BrokenPromiseError(f"the worker would refuse a connector's record: {error}") from None
    for name, text in _texts(record):
        _demand(not _PLANTED_PHONE.search(text), f"field {name} holds a phone number")
        _demand(not _PLANTED_IDENTITY.search(text), f"field {name} holds an identity number")


def _texts(record: Any) -> Iterator[tuple[str, str]]:
    """Texts that people read. Numbers and codes of the source are its own, and stay as they are."""
    for name in ("title", "content", "address", "via", "reporter_mask", "unit", "note"):
        yield name, record.get(name) or ""
    for name in ("place_key", "reporter_key"):
        if record.get(name) != record.get("device_id"):
            yield name, record.get(name) or ""
    for name in ("category_path", "attachments"):
        yield from ((name, text) for text in record.get(name, ()))
    for key, text in record["extra"].items():
        yield "extra", key
        if key != "source_grid":
            yield "extra", text


def _demand(kept: bool, promise: str) -> None:
    if not kept:
        raise BrokenPromiseError(promise)


# --- connectors ------------------------------------------------------------------------------------------------------


def _connector(connector: Connector, channel_id: str, secret: ChannelSecret = _NO_SECRET) -> Callable[[bytes], None]:
    """A connector on an input of three parts: Content-Type, tail of the address, body; the first two end at a line feed."""

    def run(data: bytes) -> None:
        head, _, rest = data.partition(b"\n")
        tail, _, body = rest.partition(b"\n")
        content_type = head[:200].decode("ascii", "replace")
        _take(connector, body, content_type, _context(channel_id, secret, tail=tail[:200].decode("utf-8", "replace")))

    return run


def _context(channel_id: str, secret: ChannelSecret = _NO_SECRET, tail: str = "", **query: str) -> Context:
    channel = replace(PROFILE.channels[channel_id], max_records=50)
    return Context(PROFILE, channel, PRIVACY, PLACES, ZONE, NOW, secret, query, tail)


def _take(connector: Connector, body: bytes, content_type: str, ctx: Context) -> None:
    """What connectors/intake.py does with a body, but nothing unforeseen is forgiven."""
    outcomes = list(_outcomes(connector, body, content_type, ctx))
    for outcome in outcomes:
        if outcome.refusal:
            check_said(outcome.refusal)
    if connector.answer and all(o.refusal is None or o.refusal.code != "bad_signature" for o in outcomes):
        reply = connector.answer(body, content_type, outcomes, ctx)
        _demand(100 < reply.status < 600 and isinstance(reply.body, bytes), "an answer is no answer")


def _outcomes(connector: Connector, body: bytes, content_type: str, ctx: Context) -> Iterator[Outcome]:
    try:
        parsed = connector.parse(body, content_type, ctx)
        items = list(parsed.items)
    except Refusal as refusal:
        yield Outcome("refused", refusal=refusal)
        return
    _demand(len(items) <= ctx.channel.max_records, "more messages than the channel takes at once")
    _demand(len(items) == 1 or not parsed.single, "the count of messages is wrong")
    for item in items:
        _demand(isinstance(item.raw, bytes), "a message has no bytes of its own")
        try:
            if isinstance(item, Broken):
                raise item.refusal
            found = connector.normalise(item, ctx)
        except Refusal as refusal:
            yield Outcome("refused", refusal=refusal)
            continue
        if found is None:
            yield Outcome("ignored")
            continue
        check_record(found)
        yield Outcome("accepted", found[1]["upstream_id"], found[0])


def _wechat_safe(data: bytes) -> None:
    """Safe mode: a valid envelope around fuzzed XML or JSON."""
    encrypted = wechat_crypto.encrypt(_WECHAT.aes_keys[0], _WECHAT.app_id, data, random=b"0123456789abcdef")
    _wechat_envelope(encrypted)


def _wechat_cipher(data: bytes) -> None:
    """Safe mode: a valid signature over an envelope of fuzzed text."""
    _wechat_envelope(data.decode("ascii", "ignore").translate({ord(sign): None for sign in "<&>\x00"}))


def _wechat_envelope(encrypted: str) -> None:
    signed = auth.wechat_signature(str(_WECHAT.token), "1763596800", "made-up", encrypted)
    query = {"timestamp": "1763596800", "nonce": "made-up", "msg_signature": signed, "echostr": encrypted}
    ctx = _context("demo-wechat", _WECHAT, **query)
    body = f"<xml><ToUserName>gh</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()
    _take(CONNECTORS["wechat"], body, "text/xml", ctx)
    try:
        wechat.url_check(ctx)
    except Refusal as refusal:
        check_said(refusal)


# --- parts of connectors ---------------------------------------------------------------------------------------------


def _multipart(data: bytes) -> None:
    """A stream in two halves, cut at a place that the first two bytes give, and the boundary on the first line."""
    cut, (boundary, _, stream) = int.from_bytes(data[:2], "big"), data[2:].partition(b"\n")
    name, at = boundary[:80].decode("latin-1"), cut % (len(stream) + 1)
    try:
        whole, rest = multipart.split_events(stream, name, 10_000)
        first, left = multipart.split_events(stream[:at], name, 10_000)
        second, end = multipart.split_events(left + stream[at:], name, 10_000)
    except Refusal as refusal:
        check_said(refusal)
        return
    if name:  # without one, the first line that looks like a boundary decides, and it may not have come yet
        _demand(whole == first + second, "the parts depend on where the stream was cut")
    _demand(len(rest) <= len(stream) and len(end) <= len(stream), "more is left than came")
    _refusing(lambda: multipart.split_body(stream, f'multipart/mixed; boundary="{name}"', 100))


def _sheet(suffix: str) -> Callable[[bytes], None]:
    """A file of rows, through what the sheet reader's own process does."""
    file = Path(tempfile.mkdtemp(prefix="zhishu-fuzz-")) / f"sheet{suffix}"

    def run(data: bytes) -> None:
        file.write_bytes(data)
        try:
            for number, message in enumerate(messages(file, TableOptions())):
                orjson.dumps(message)
                for said in (message.get("problem"), message.get("error"), message.get("skipped")):
                    if said:
                        _demand(PHONE not in said and IDENTITY not in said, "a problem tells a value of the row")
                if number > 5_000:  # a small file may stand for very many empty rows
                    break
        except BaseException as error:
            # The reader's process may end of a broken workbook, which is why it has one.
            if type(error).__name__ != "PanicException":
                raise

    return run


def _times(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    readers: tuple[Callable[[Any], int], ...] = (
        lambda value: times.read_local(value, ZONE),
        lambda value: times.read_day_first(value, ZONE),
        lambda value: times.read_any(value, ZONE),
        times.read_epoch,
        lambda value: times.read_formatted(value, ZONE, "%d.%m.%Y %H:%M:%S"),
        lambda value: times.read_formatted(value, UTC, "%Y%m%dT%H%M%S%z"),
    )
    values: list[Any] = [text, text * (1 + _LONG // (len(text) + 1))]
    with suppress(orjson.JSONDecodeError):
        values.append(orjson.loads(data))
    for value in values:
        for read in readers:
            moment = _refusing(partial(read, value))
            _demand(
                moment is None or times.EARLIEST_MS <= moment < times.LATEST_MS, "a time outside the years that count"
            )


def _mask(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    values = [text]
    if crc32(data) % 16 == 0:  # now and then, since a long text takes long
        values.append(text * (1 + _LONG // (len(text) + 1)))
    for value in values:
        for known, fully in (((), False), (((NAME, "甄**"),), True)):
            masked = mask_text(value, known, fully=fully)
            _demand(not _PLANTED_PHONE.search(masked), "a phone number stays readable")
            _demand(not _PLANTED_IDENTITY.search(masked), "an identity number stays readable")
            _demand(not known or NAME not in masked, "a known name stays readable")
    phone_digits(text)


def _geo(data: bytes) -> None:
    if len(data) < 17:
        return
    lon, lat = struct.unpack_from("<dd", data)
    systems: tuple[Crs, ...] = ("WGS-84", "CGCS2000", "GCJ-02", "BD-09")
    crs = systems[data[16] % 4]
    for x, y in ((lon, lat), (lon % 180, lat % 90)):
        point = _refusing(partial(geo.located, x, y, crs, PROFILE.bbox))
        _demand(point is None or geo.inside(point[0], point[1], (-180, -90, 180, 90)), "a point off the globe")


def _headers(data: bytes) -> None:
    """Everything by which a sender proves itself, of a header of fuzzed text."""
    text = data.decode("latin-1")
    first, _, second = text.partition("\n")
    answers = digest.Digest(_DIGEST_KEY)
    for header in (text, text * (1 + _LONG // (len(text) + 1))):
        given = _refusing(partial(digest.read, header))
        if given:
            try:
                answers.check(given, "POST", "/VIID/System/Keepalive", "demo-gat1400", ("made-up",), NOW)
            except digest.StaleError:
                pass
            except Refusal as refusal:
                check_said(refusal)
            else:
                raise BrokenPromiseError("a made-up answer was believed")
        bodies.media_type(header)
        multipart.boundary_of(header)
    _never(lambda: auth.check_signature((b"made-up key",), "POST", "/intake/x", first, second, b"{}", NOW))
    _never(lambda: auth.check_wechat("made-up", first, "", second))
    _never(lambda: auth.check_api_key(ChannelSecret(keys=(b"made-up key",)), text))
    _never(lambda: auth.check_certificate(ChannelSecret(fingerprints=("00" * 32,)), data))


def _never(check: Callable[[], None]) -> None:
    try:
        check()
    except Refusal as refusal:
        check_said(refusal)
    else:
        raise BrokenPromiseError("a made-up proof was believed")


_MAPPED: Final = {
    "upstream_id": "id",
    "reported_at": "when",
    "title": "head.title",
    "content": "= concat(head.title, '：', body || '')",
    "address": "= join('', values(place)[?type(@) == 'string'])",
    "reporter.name": "= first(people[*].name)",
    "reporter.phone": "= digits(replace(people[0].phone, '-', ''))",
    "category_path": "= split(kinds, '/')",
    "lon": "= last(sort(points[*].lon))",
    "lat": "= max(points[*].lat)",
    "extra": "= merge({source: 'made-up'}, extra || `{}`)",
}


def _mapping(data: bytes) -> None:
    """A declared channel: an expression of an operator on the first line, a message of its source after it."""
    expression, _, body = data.partition(b"\n")
    own = {**_MAPPED, "note": f"={expression.decode('utf-8', 'replace')}"} if expression else _MAPPED
    channel = replace(
        PROFILE.channels["demo-canonical"],
        max_records=50,
        mapping=own,
        constants={"record": "report", "appeal_type": "complaint", "zero_point": "none"},
        codes={"urgency": {"急": "urgent", "*": "normal"}},
    )
    try:
        mapping.compiled(channel)
    except ProfileError as error:
        _demand("\n" not in str(error), "an error is no line")
        return
    _take(canonical.CONNECTOR, body, "application/json", replace(_context("demo-canonical"), channel=channel))


def _avro(data: bytes) -> None:
    """A value that a source wrote into Kafka itself: decoded, and checked as the worker does."""
    try:
        _, record = CODEC.decode(data)
        if "matter_kind" in record:
            found = cast(Report, record)
            check(found, found["feed"], PROFILE.channels.get(found["channel"]))
            check_direct(found, found["received_at"], PROFILE.matters.keys())
    except DecodeError as error:
        # The feed is told: it is a topic's name, which the profile has.
        _demand(not any(planted in str(error) for planted in (PHONE, IDENTITY)), "an error tells a value of the record")


def _xml(data: bytes) -> None:
    head, _, body = data.partition(b"\n")
    _refusing(lambda: xml.parse_xml(body, head.decode("latin-1")))


def _georeport(data: bytes) -> None:
    """What a foreign Open311 server answers the polling client; its kind on the first line."""
    head, _, body = data.partition(b"\n")
    content_type = head.decode("latin-1")
    try:
        objects = georeport.read_objects(body, content_type, xml="xml" in content_type)
    except SourceError as error:
        check_said(error)
        return
    georeport.services_of(objects)
    for request in objects:
        zoned = georeport.with_zone(request, ZONE)
        if zoned.get("service_request_id"):
            georeport.progress_of(zoned, reopened=False)


def _open311_query(data: bytes) -> None:
    """What a client asks for in the address."""
    query = dict(parse_qsl(data.decode("latin-1"), keep_blank_values=True))
    channel = PROFILE.channels["demo-open311"]
    search = _refusing(partial(requests.wanted, query, catalogue.services(PROFILE, channel), ZONE, NOW))
    _demand(search is None or (search.end - search.start >= 0 and 1 <= search.limit <= 1000), "a search without bounds")


def _refusing(read: Callable[[], Any]) -> Any:
    """What is read; None where it is refused as it should."""
    try:
        return read()
    except Refusal as refusal:
        check_said(refusal)
        return None


# --- seeds -----------------------------------------------------------------------------------------------------------


def _examples(protocol: str) -> Iterator[bytes]:
    """The connector's committed examples, good and bad."""
    import tomllib

    folder = EXAMPLES / protocol
    if not (folder / "examples.toml").is_file():
        return
    listed = tomllib.loads((folder / "examples.toml").read_text("utf-8"))
    for entry in (*listed.get("good", ()), *listed.get("bad", ())):
        head = f"{entry['content_type']}\n{entry.get('tail', '')}\n".encode()
        yield head + (folder / entry["file"]).read_bytes()


def _bodies(protocol: str) -> Callable[[], Iterator[bytes]]:
    return lambda: (seed.split(b"\n", 2)[2] for seed in _examples(protocol))


def _given(*seeds: bytes | str) -> Callable[[], Iterable[bytes]]:
    return lambda: [seed.encode() if isinstance(seed, str) else seed for seed in seeds]


def _workbook() -> Iterator[bytes]:
    """A small workbook, as one file for each kind of cell would make too many."""
    from io import BytesIO

    from openpyxl import Workbook  # type: ignore[import-untyped]

    book = Workbook()
    book.active.append(["工单编号", "受理时间", "诉求内容", "来电人"])
    book.active.append(["2509121011", "2025-09-12 10:11:08", f"楼下噪声，{PHONE}", NAME])
    book.active.merge_cells("A3:B4")
    out = BytesIO()
    book.save(out)
    yield out.getvalue()


def _records() -> Iterator[bytes]:
    """What the examples become, in Avro."""
    for protocol, connector in CONNECTORS.items():
        channel_id = _channel(protocol)
        for seed in _examples(protocol):
            head, tail, body = seed.split(b"\n", 2)
            ctx = _context(channel_id, tail=tail.decode())
            try:
                items = list(connector.parse(body, head.decode(), ctx).items)
                for item in items[:1]:
                    if not isinstance(item, Broken) and (found := connector.normalise(item, ctx)):
                        yield CODEC.encode(*found)
            except Refusal:
                continue


def _channel(protocol: str) -> str:
    return next(channel.id for channel in PROFILE.channels.values() if channel.protocol == protocol)


_TEXTS: Final = (
    f"来电人{NAME}，手机{PHONE}，身份证{IDENTITY}，车牌鲁B12345，邮箱{EMAIL}",
    "电话一三八零零零零一二三四，座机０５３２－８５８０００００转1",
    "卡号6222 0000 0000 0000 000，138 0000 1234或138-0000-1234",
    "联系人：欧阳样本 先生；使123456；WJ鲁12345；+86 138 0000 1234",
)
_STREAM: Final = (
    b"--b\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello\r\n"
    b"--b\r\nContent-Type: application/xml\r\n\r\n<a/>\r\n--b--\r\n"
)
_DIGEST_HEADER: Final = (
    'Digest username="demo-gat1400", realm="zhishu", nonce="19a9d5b8c00-0123456789abcdef-0123456789abcdef0123456789abcdef",'
    ' uri="/VIID/System/Keepalive", response="00", qop=auth, nc=00000001, cnonce="a\\"b", algorithm=MD5'
)
_ANSWERS: Final = (
    'json\n[{"service_request_id": "1", "status": "Closed", "requested_datetime": "2025-09-12T10:11:08",'
    ' "updated_datetime": "2025-09-13T10:11:08+08:00", "status_notes": "done", "lat": 36.11, "long": "120.43"}]',
    'json\n{"services": [{"service_code": "1", "service_name": "n", "group": "g"}]}',
    "xml\n<service_requests><request><service_request_id>1</service_request_id><status>open</status>"
    "<updated_datetime>2025-09-13T10:11:08Z</updated_datetime></request></service_requests>",
)
_MESSAGE: Final = orjson.dumps(
    {
        "id": "A-1",
        "when": "2025-06-05T10:30:00",
        "head": {"title": "噪声"},
        "body": f"{NAME}说很吵，{PHONE}",
        "people": [{"name": NAME, "phone": "138-0000-1234"}],
        "kinds": "城乡建设/噪声",
        "points": [{"lon": 120.43, "lat": 36.11}],
        "place": {"street": "示例路", "no": "1号"},
        "extra": {"来源": "网格"},
    }
)

TARGETS: Final[dict[str, Target]] = {
    **{
        protocol: Target(_connector(connector, _channel(protocol)), partial(_examples, protocol), 4)
        for protocol, connector in CONNECTORS.items()
    },
    "progress": Target(_connector(canonical.PROGRESS, "demo-wechat"), lambda: _examples("canonical"), 2),
    "wechat_safe": Target(_wechat_safe, _bodies("wechat"), 2),
    "wechat_cipher": Target(
        _wechat_cipher,
        lambda: [wechat_crypto.encrypt(_WECHAT.aes_keys[0], _WECHAT.app_id, b"<xml/>", b"0" * 16).encode()],
    ),
    "mapping": Target(_mapping, _given(b"\n" + _MESSAGE, b"concat(body, to_string(points))\n" + _MESSAGE)),
    "xml": Target(_xml, lambda: (s.replace(b"\n", b"", 1) for p in ("onvif", "gb28181") for s in _examples(p)), 3),
    "multipart": Target(_multipart, _given(b"\x00\x10b\n" + _STREAM, b"\x00\x08\n" + _STREAM), 4),
    "sheet_csv": Target(
        _sheet(".csv"),
        _given(
            f"工单编号,受理时间,诉求内容\n2509121011,2025-09-12 10:11:08,{NAME} {PHONE}\n",
            f'工单编号;时间\n\'0532;"a;{PHONE}"\n'.encode("gb18030"),
        ),
        2,
    ),
    "sheet_workbook": Target(_sheet(".xlsx"), _workbook, 1),
    "times": Target(
        _times,
        _given(
            "2025-09-12 10:11:08",
            "6/5/25 14:57",
            "2025年7月9日 下午6时19分",
            "20250912101108",
            "1749090600",
            "45912.42",
        ),
        3,
    ),
    "mask": Target(_mask, _given(*_TEXTS), 3),
    "geo": Target(_geo, lambda: [struct.pack("<ddB", 120.4348, 36.1117, crs) for crs in range(4)], 3),
    "headers": Target(
        _headers, _given(_DIGEST_HEADER, "multipart/x; boundary=\"b\"; charset='gbk'", f"1763596800\n{'0' * 64}"), 3
    ),
    "georeport": Target(_georeport, _given(*_ANSWERS)),
    "open311_query": Target(
        _open311_query,
        _given("service_code=010101&status=open,closed&start_date=2025-09-12T00:00:00Z&page=2&page_size=50"),
    ),
    "avro": Target(_avro, _records, 4),
}
