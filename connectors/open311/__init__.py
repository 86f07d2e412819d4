"""Open311 GeoReport v2: requests that a 311 system, an app or FixMyStreet posts. docs/feeds/open311.md describes the feed.

This module reads one posted form; server.py holds the specification's addresses.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode

import orjson
from pydantic import StringConstraints

from connectors import fields, shapes, words
from connectors.base import Appeal, Connector, Context, Outcome, Record, Reply, Reporter, to_report
from connectors.bodies import Message, Parsed, decode_text, media_type
from connectors.errors import Refusal
from connectors.open311 import answers
from connectors.open311.catalogue import service_of
from connectors.shapes import Clock, Shape, given, maybe, needed
from profiles import Channel
from schemas.personal import FULL_MASK, mask_text

FORM: Final = "application/x-www-form-urlencoded"

_ATTRIBUTE: Final = re.compile(r"attribute\[([\w.:-]{1,64})\](?:\[\])?")
_NUMBER: Final = re.compile(r"[^\s\x00-\x20\x7f-\xa0]{1,64}")
_MOST_FIELDS: Final = 200
#: A shorter given name alone would be found inside innocent words.
_SHORTEST_NAME: Final = 2
_WITHOUT_PLACE: Final = Refusal(
    "missing_field", "lat and long, address_string or address_id: one of them must be given"
)
_Description = Annotated[str, StringConstraints(max_length=4000)]


class Request(Shape):
    """A posted service request (GeoReport v2, POST Service Request). One of lat and long, address_string, address_id."""

    service_code: shapes.Identifier = needed("service_code", "code of GET services", "010101")
    lat: shapes.Degrees = maybe("lat", "latitude in the channel's system (WGS-84), degrees; with long", 36.1117)
    long: shapes.Degrees = maybe("long", "longitude; with lat", 120.4348)
    address_string: shapes.Text = given("address_string", "the place in words, masked", "中韩街道示例路1号")
    address_id: shapes.Text = given("address_id", "the place's number in the client's own register")
    description: _Description = given("description", "what is asked for, masked", "路灯不亮")
    email: shapes.Text = given("email", "reporter's e-mail; becomes a key and a mask")
    device_id: shapes.Text = given("device_id", "reporter's device; becomes a key and a mask")
    account_id: shapes.Text = given("account_id", "reporter's account; becomes a key and a mask")
    first_name: shapes.Text = given("first_name", "given name, masked wherever it is repeated")
    last_name: shapes.Text = given("last_name", "family name, masked wherever it is repeated")
    phone: shapes.Phone = given("phone", "reporter's phone; becomes a key and a mask", "13800001234")
    media_url: shapes.Names = given("media_url", "address of a picture; may be repeated", default=())
    attribute: shapes.Extra = given(
        "attribute", "attribute[code]=value; attribute[code][]=value for several", default={}
    )


SHAPES: Final[dict[str, type[Shape]]] = {"request": Request}


def parse(body: bytes, content_type: str, ctx: Context) -> Parsed:
    """One form, UTF-8. The api_key is no part of the message, which is sealed and kept."""
    media, charset = media_type(content_type)
    if media != FORM:
        raise Refusal("unsupported_type", f"send Content-Type {FORM}; charset=utf-8")
    pairs = form(body, charset)
    kept = [(name, value) for name, value in pairs if name != "api_key"]
    raw = body if len(kept) == len(pairs) else urlencode(kept).encode()
    return Parsed([Message(_fields(kept), raw)], single=True)


def form(body: bytes, charset: str = "") -> list[tuple[str, str]]:
    """Names and values in order; raises Refusal (bad_encoding, bad_field)."""
    text = decode_text(body, charset)
    try:
        # Its own percent-escapes are in the same charset; decode_text took no other than these two.
        encoding = "gb18030" if charset.startswith(("gb", "x-gb", "cp")) else "utf-8"
        return parse_qsl(text, True, encoding=encoding, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError:
        raise Refusal("bad_encoding", "the form's escapes are not UTF-8; send UTF-8") from None
    except ValueError:
        raise Refusal("bad_field", f"the form has more than {_MOST_FIELDS} fields; send fewer") from None


def _fields(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The form as an object: attributes under `attribute`, pictures in a list; anything else may be given once."""
    found: dict[str, Any] = {}
    attributes: dict[str, list[str]] = {}
    for name, value in pairs:
        if attribute := _ATTRIBUTE.fullmatch(name):
            attributes.setdefault(attribute[1], []).append(value)
        elif name in ("media_url", "media_url[]"):
            found.setdefault("media_url", []).append(value)
        elif name in found and name in Request.spellings:
            raise Refusal("bad_field", f"{name}: is given twice; send it once")
        else:
            found[name] = value
    if attributes:
        # A code in which a number could be read is nobody's code.
        found["attribute"] = {code: ", ".join(v) for code, v in attributes.items() if mask_text(code) == code}
    return found


def normalise(message: Message, ctx: Context) -> Record:
    """A request as a report. Without a number of the client's own, the same form on the same local day is the same request."""
    request, meaning = shapes.read(Request, message.fields, Clock(ctx.zone))
    kind = service_of(ctx.profile, ctx.channel, request.service_code)
    attributes, constants = dict(request.attribute), ctx.channel.constants
    lat, lon = request.lat, request.long
    if constants.get("zero_point") == "none" and lat == lon == 0:
        lat = lon = None
    if not request.address_string and not request.address_id and (lat is None or lon is None):
        raise _WITHOUT_PLACE
    own_number = attributes.pop(id_attribute(ctx.channel), "")
    hidden = [(spelling, FULL_MASK) for spelling in _spellings(request)]
    appeal = Appeal(
        upstream_id=_checked(own_number, ctx) if own_number else _made_number(meaning, ctx),
        reported_at=ctx.received_at,
        appeal_type=words.APPEAL_TYPES.get(constants.get("appeal_type", ""), "help"),
        title=mask_text(attributes.pop("title", "")[: fields.TITLE_LIMIT], hidden),
        content=mask_text(request.description, hidden),
        address=mask_text(request.address_string, hidden),
        via=constants.get("via", "Open311"),
        kind=kind,
        lon=lon,
        lat=lat,
        reporter=_reporter(request),
        attachments=list(request.media_url),
        extra={name: mask_text(value, hidden) for name, value in attributes.items()}
        | ({"address_id": request.address_id} if request.address_id else {}),
    )
    return to_report(appeal, meaning, message.raw, ctx)


def id_attribute(channel: Channel) -> str:
    """Code of the attribute in which the channel's client gives its own number of a request."""
    return channel.constants.get("id_attribute", "fixmystreet_id")


def _checked(number: str, ctx: Context) -> str:
    if not _NUMBER.fullmatch(number):
        raise Refusal(
            "bad_field", f"attribute[{id_attribute(ctx.channel)}]: must be 1 to 64 characters without white space"
        )
    return number


def _made_number(meaning: dict[str, Any], ctx: Context) -> str:
    """Day and keyed hash of the fields: a client that repeats a request whose answer it lost must not make another."""
    day = datetime.fromtimestamp(ctx.received_at / 1000, ctx.zone).strftime("%Y%m%d")
    return f"{day}-{ctx.privacy.fingerprint(orjson.dumps(meaning, option=orjson.OPT_SORT_KEYS))}"


def _spellings(request: Request) -> list[str]:
    """The ways in which a text may repeat the reporter's name, the longest first."""
    first, last = request.first_name, request.last_name
    both = [last + first, first + last, f"{first} {last}", f"{last} {first}"] if first and last else []
    return [*both, *(name for name in (first,) if len(name) >= _SHORTEST_NAME)]


def _reporter(request: Request) -> Reporter:
    accounts = (("id", request.account_id), ("email", request.email.lower()), ("device", request.device_id))
    account = next((account for account in accounts if account[1]), None)
    return Reporter("", (request.phone,) if request.phone else (), account)


def answer(body: bytes, content_type: str, outcomes: Sequence[Outcome], ctx: Context) -> Reply:
    """The specification's answer to a posted request, in the notation that the address names."""
    notation: answers.Notation = "xml" if ctx.tail.endswith(".xml") else "json"
    refusal = outcomes[0].refusal
    if refusal is not None:
        return answers.refused(notation, refusal)
    return answers.created(notation, outcomes[0].id)


CONNECTOR: Final = Connector(parse, normalise, answer=answer)
