"""Reports a second of one core: parse, normalise, mask, seal and Avro, one message a body. `python -m bench.normalise`.

Counted in the processor's time of this process, so that what else the machine does hardly shows. Each protocol stands beside
a reference loop over the same bytes in the same run: orjson there and back and one HMAC.
"""

import hmac
import json
import re
import secrets
import statistics
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.table import Table

import connectors
from connectors.base import Connector, Context
from connectors.bodies import Broken
from connectors.errors import Refusal
from connectors.places import Places
from connectors.privacy import Privacy, SealKey
from connectors.registry import CONNECTORS
from hub.sample_year import feed_files
from hub.settings import DEMO_PROFILE
from profiles import Profile, load_profile
from profiles.sample import write_sample
from schemas.codec import Codec
from schemas.registry import FileRegistry

ROUNDS: Final = 5
#: Reports a second of one core that the hub is to reach at least.
TARGETS: Final = {"JSON": 8_000, "XML": 4_000}
LENGTHS: Final = (200, 1_000, 5_000)

_MESSAGES: Final = 1_500
_NOW_MS: Final = 1_767_225_600_000  # 2026-01-01: after everything in the sample year
_XML: Final = frozenset(("wechat", "hikvision", "onvif", "gb28181"))
_CLOCK: Final = re.compile(rb"(?<=[T ])(\d\d):(\d\d):(\d\d)|(?<=2025\d\d\d\d)(\d{6})")

Body = tuple[bytes, str]


@dataclass(frozen=True)
class Parts:
    """What normalising needs: everything of a gateway but the network."""

    profile: Profile
    privacy: Privacy
    places: Places
    codec: Codec

    def context(self, channel_id: str) -> Context:
        """Context of a channel."""
        channel = self.profile.channels[channel_id]
        return Context(self.profile, channel, self.privacy, self.places, ZoneInfo(self.profile.timezone), _NOW_MS)


def _parts() -> Parts:
    profile = load_profile(DEMO_PROFILE)
    privacy = Privacy(secrets.token_bytes(32), {"bench": SealKey(secrets.token_bytes(32))}, "bench")
    return Parts(profile, privacy, Places(profile), Codec(FileRegistry()))


# --- messages --------------------------------------------------------------------------------------------------------


def messages(profile: Profile, count: int) -> dict[str, list[Body]]:
    """Bodies of one message each, by channel: the sample year's, and for what it has none of, examples of other times."""
    found: dict[str, list[Body]] = {}
    with TemporaryDirectory() as folder:
        write_sample(profile, Path(folder) / "sample", seed=1, reports=4 * count)
        for files in feed_files(profile, Path(folder) / "sample"):
            for file in files:
                if not file.path.name.endswith(".progress.ndjson"):
                    kind = "application/xml" if file.path.suffix == ".xml" else "application/json"
                    found.setdefault(file.channel.id, []).extend((line, kind) for line in file.path.open("rb"))
    orders = [order for body, _ in found["demo-hotline"] if "content" in (order := orjson.loads(body))]
    found["demo-canonical"] = [(orjson.dumps(_canonical(order)), "application/json") for order in orders]
    found["demo-open311"] = [
        (urlencode(_form(order)).encode(), "application/x-www-form-urlencoded") for order in orders
    ]
    for channel in profile.channels.values():
        if channel.protocol in CONNECTORS and channel.id not in found:
            found[channel.id] = list(islice(_varied(channel.protocol, channel.id), count))
    return found


def _canonical(order: dict[str, Any]) -> dict[str, Any]:
    """An order in the hub's own JSON."""
    kept = ("appeal_type", "title", "content", "address")
    return {
        "record": "report",
        "upstream_id": order["record_number"],
        "reported_at": order["accepted_at"].replace(" ", "T"),
        "reporter": {"name": order.get("caller_name") or "", "phone": order.get("caller_phone") or ""},
        **{name: order[name] for name in kept if order.get(name) and name != "appeal_type"},
    }


def _form(order: dict[str, Any]) -> dict[str, str]:
    return {
        "service_code": "010101",
        "description": order["content"],
        "address_string": order.get("address") or order.get("title") or "示例路1号",
        "first_name": order.get("caller_name") or "",
        "phone": order.get("caller_phone") or "",
    }


def _varied(protocol: str, channel_id: str) -> Iterator[Body]:
    """The protocol's good examples in turn, each time at another time of day."""
    folder = Path(connectors.__file__ or "").parent / "examples" / protocol
    listed = tomllib.loads((folder / "examples.toml").read_text("utf-8"))["good"]
    good = [entry for entry in listed if entry["gives"] == "report" and entry["channel"] == channel_id]
    draw = Random(1)  # noqa: S311 - times of day, no secret

    def clock(found: re.Match[bytes]) -> bytes:
        hour, minute, second = draw.randrange(1, 20), draw.randrange(60), draw.randrange(60)
        between = b":" if found[1] else b""
        return between.join(b"%02d" % part for part in (hour, minute, second))

    for entry in cycle(good):
        yield _CLOCK.sub(clock, (folder / entry["file"]).read_bytes()), entry["content_type"]


# --- measuring -------------------------------------------------------------------------------------------------------


def _work(connector: Connector, ctx: Context, codec: Codec, bodies: Sequence[Body]) -> int:
    """Reports that the bodies became, encoded."""
    made = 0
    for body, content_type in bodies:
        for item in connector.parse(body, content_type, ctx).items:
            if not isinstance(item, Broken) and (found := connector.normalise(item, ctx)):
                codec.encode(*found)
                made += found[0] == "report"
    return made


def _whole(parts: Parts, channel_id: str, bodies: Sequence[Body]) -> list[Body]:
    """Those of the bodies that become reports."""
    ctx = parts.context(channel_id)
    connector = CONNECTORS[ctx.channel.protocol]

    def good(body: Body) -> bool:
        try:
            return bool(_work(connector, ctx, parts.codec, [body]))
        except Refusal:
            return False

    return [body for body in bodies if good(body)]


def _reference(bodies: Sequence[Body]) -> int:
    """The least that anything which reads JSON and keeps a keyed hash would do with the same bytes."""
    key = b"reference key of 32 bytes ......"
    for body, _ in bodies:
        hmac.digest(key, orjson.dumps(orjson.loads(body)), "sha256")
    return len(bodies)


def _as_json(body: Body) -> Body:
    try:
        orjson.loads(body[0])
    except orjson.JSONDecodeError:
        return orjson.dumps({"message": body[0].decode("utf-8", "replace")}), "application/json"
    return body


def _rate(work: Callable[[], int]) -> float:
    before = time.process_time()
    made = work()
    return made / (time.process_time() - before)


def _measured(parts: Parts, channel_id: str, bodies: Sequence[Body]) -> dict[str, float]:
    """Medians of interleaved rounds. ratio: how many reference loops one report costs."""
    ctx = parts.context(channel_id)
    connector = CONNECTORS[ctx.channel.protocol]
    plain = [_as_json(body) for body in bodies]
    _work(connector, ctx, parts.codec, bodies[:200])
    rates: list[float] = []
    references: list[float] = []
    for _ in range(ROUNDS):
        rates.append(_rate(lambda: _work(connector, ctx, parts.codec, bodies)))
        references.append(_rate(lambda: sum(_reference(plain) for _ in range(5))))
    rate, reference = statistics.median(rates), statistics.median(references)
    return {
        "reports_per_s": rate,
        "reference_per_s": reference,
        "ratio": reference / rate,
        "bytes": statistics.mean(len(body) for body, _ in bodies),
    }


def _longer(parts: Parts, found: dict[str, list[Body]]) -> dict[str, dict[str, float]]:
    """Reports a second as the text grows: JSON and XML, the sample's own sentences strung together."""
    sentences = [orjson.loads(body)["content"] for body, _ in found["demo-canonical"]]
    grown: dict[str, dict[str, float]] = {}
    for length in LENGTHS:
        texts = []
        given = cycle(sentences)
        for _ in range(_MESSAGES // 5):
            text = ""
            while len(text) < length:
                text += next(given)
            texts.append(text[:length])
        as_json = [
            (orjson.dumps({**orjson.loads(body), "content": text}), kind)
            for text, (body, kind) in zip(texts, cycle(found["demo-canonical"]), strict=False)
        ]
        as_xml = [
            (
                f"<xml><ToUserName>gh</ToUserName><FromUserName>oDEMO{number:023}</FromUserName><CreateTime>1749090600"
                f"</CreateTime><MsgType>text</MsgType><Content><![CDATA[{text[:5000]}]]></Content>"
                f"<MsgId>{10**16 + number}</MsgId></xml>".encode(),
                "text/xml",
            )
            for number, text in enumerate(texts)
        ]
        grown[str(length)] = {
            name: _measured(parts, channel, _whole(parts, channel, bodies))["reports_per_s"]
            for name, channel, bodies in (("JSON", "demo-canonical", as_json), ("XML", "demo-wechat", as_xml))
        }
    return grown


def run(say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """All figures."""
    parts = _parts()
    say("normalising: writing messages")
    found = messages(parts.profile, _MESSAGES)
    channels: dict[str, Any] = {}
    for channel_id, bodies in sorted(found.items()):
        protocol = parts.profile.channels[channel_id].protocol
        say(f"normalising: {protocol}")
        good = _whole(parts, channel_id, bodies)[:_MESSAGES]
        if not good:
            raise RuntimeError(f"none of the {len(bodies)} messages for {channel_id} becomes a report")
        form = "XML" if protocol in _XML else "JSON"
        channels[protocol] = {"form": form, "messages": len(good), **_measured(parts, channel_id, good)}
    say("normalising: longer texts")
    return {"rounds": ROUNDS, "targets": TARGETS, "protocols": channels, "by_length": _longer(parts, found)}


def table(result: dict[str, Any]) -> Table:
    """The figures for a person."""
    shown = Table("protocol", "bytes", "reports/s a core", "target", "reference loops a report")
    shown.caption = f"processor's time, median of {result['rounds']} interleaved rounds"
    for protocol, found in result["protocols"].items():
        target = result["targets"][found["form"]]
        cells = (f"{found['bytes']:,.0f}", f"{found['reports_per_s']:,.0f}", f"{target:,}", f"{found['ratio']:.1f}")
        shown.add_row(f"{protocol} ({found['form']})", *cells)
    for length, found in result["by_length"].items():
        rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in found.items())
        shown.add_row(f"text of {int(length):,} characters", "", rates, "", "")
    return shown


if __name__ == "__main__":
    figures = run()
    if "--json" in sys.argv:
        print(json.dumps(figures, indent=1))
    else:
        Console().print(table(figures))
