"""channels.toml: who publishes, in which protocol, how it proves itself, and how its own objects are read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from profiles.files import ABOVE_0, ProfileError, Range, in_range, read_toml
from profiles.sources import OPEN311_MAPPING, Open311Source, Source, read_source

Protocol = Literal[
    "hotline12345",
    "police110",
    "citymgmt",
    "hikvision",
    "dahua",
    "onvif",
    "gb28181",
    "gat1400",
    "aibox",
    "wechat",
    "open311",
    "canonical",
    "kafka",
]
Auth = Literal["hmac", "digest", "mtls", "wechat", "api_key"]
Crs = Literal["WGS-84", "CGCS2000", "GCJ-02", "BD-09"]

#: What a protocol demands by itself; everything else signs with HMAC unless the channel says otherwise.
_OWN_AUTH: Final[dict[str, Auth]] = {"wechat": "wechat", "open311": "api_key"}
#: Protocols whose reports may be given a family, and its words.
_OF_FAMILY: Final = frozenset(("hotline12345", "canonical"))
_FAMILIES: Final = ("民生", "发展", "执法", "livelihood", "development", "enforcement")
#: Protocols of which several messages of one person within minutes make one report.
_ASSEMBLED: Final = frozenset(("wechat",))
_ASSEMBLE_MINUTES: Final = 10.0
_DEFAULT_BODY_BYTES: Final = 8 * 1024 * 1024
_DEFAULT_RECORDS: Final = 10_000
_BODY_BYTES: Final = Range("a whole number from 1 to 67108864", lambda x: 1 <= x <= 64 * 1024 * 1024 and x == int(x))
_RECORDS: Final = Range("a whole number from 1 to 10000", lambda x: 1 <= x <= 10_000 and x == int(x))
_MINUTES: Final = Range("between 0 and 1440", lambda x: 0 <= x <= 1440)
_KEYS: Final = frozenset(
    (
        *("id", "feed", "protocol", "name", "crs", "table", "max_body_bytes", "max_records", "auth", "messages_per_s"),
        *(
            "family",
            "leader_call",
            "burst",
            "assemble_minutes",
            "mapping_file",
            "mapping",
            "constants",
            "codes",
            "source",
        ),
    )
)


@dataclass(frozen=True)
class Channel:
    """One publisher of messages (channels.toml).

    auth: how it proves who it is. messages_per_s, burst: what one gateway process takes of it in the long run and at once;
    None: no limit. assemble_minutes: messages of one person no farther apart make one report; 0: each is one.
    `mapping` (target field -> path or expression in the source's object), `constants` and `codes` (target field -> the
    source's word -> ours) bring a source's own objects into the canonical shape. `source`: where a pull feed is read from;
    None: it is pushed. leader_call: all that comes through it is put by a leader in person (领导坐班接听).
    """

    id: str
    feed: str
    protocol: Protocol
    name: str
    crs: Crs
    table: str = ""
    max_body_bytes: int = _DEFAULT_BODY_BYTES
    max_records: int = _DEFAULT_RECORDS
    auth: Auth = "hmac"
    messages_per_s: float | None = None
    burst: int = _DEFAULT_RECORDS
    assemble_minutes: float = 0.0
    mapping: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    source: Source | None = None
    leader_call: bool = False


def assembled_feeds(channels: Iterable[Channel]) -> set[str]:
    """Feeds whose messages are assembled into reports before they are decided on."""
    return {channel.feed for channel in channels if channel.assemble_minutes}


def load_channels(path: Path) -> dict[str, Channel]:
    """Channels by id; raises ProfileError."""
    channels: dict[str, Channel] = {}
    for number, entry in enumerate(read_toml(path).get("channel", []), start=1):
        where = f"{path.name}, channel {number}"
        channel = _channel(path, where, entry)
        if channel.id in channels:
            raise ProfileError(f"{where}: the id {channel.id} is taken already")
        channels[channel.id] = channel
    _check_direct(path, channels.values())
    return channels


def _check_direct(path: Path, channels: Iterable[Channel]) -> None:
    """Who may write a topic may write anything in it: a source with Kafka has its own, or it could speak for others."""
    of_feed: dict[str, list[Channel]] = {}
    for channel in channels:
        of_feed.setdefault(channel.feed, []).append(channel)
    for feed, found in of_feed.items():
        if len(found) > 1 and any(channel.protocol == "kafka" for channel in found):
            raise ProfileError(
                f"{path.name}: the feed {feed} has a channel of protocol kafka and others; give it its own"
            )


def _channel(path: Path, where: str, entry: dict[str, Any]) -> Channel:
    if unknown := set(entry) - _KEYS:
        raise ProfileError(f"{where}: unknown key(s) {', '.join(sorted(unknown))}")
    protocol = entry.get("protocol", "")
    auth = entry.setdefault("auth", _OWN_AUTH.get(protocol, "hmac"))
    for name, allowed in (("protocol", get_args(Protocol)), ("crs", get_args(Crs)), ("auth", get_args(Auth))):
        if entry.get(name) not in allowed:
            raise ProfileError(f"{where}: {name} must be one of {', '.join(allowed)}")
    if auth != _OWN_AUTH.get(protocol, auth) or (auth in _OWN_AUTH.values() and protocol not in _OWN_AUTH):
        raise ProfileError(f"{where}: auth {auth} does not go with the protocol {protocol}; leave it out")
    if not entry.get("id") or not entry.get("feed"):
        raise ProfileError(f"{where}: id and feed must be given")
    max_records = int(in_range(where, "max_records", entry.get("max_records", _DEFAULT_RECORDS), _RECORDS))
    given = entry.get("source")
    source = None if given is None else read_source(f"{where} ({entry['id']})", given, protocol, max_records)
    if "mapping_file" in entry:
        mapping = read_toml(path.with_name(entry["mapping_file"]))
    else:
        mapping = read_toml(OPEN311_MAPPING) if isinstance(source, Open311Source) and "mapping" not in entry else entry
    per_second = entry.get("messages_per_s")
    minutes = entry.get("assemble_minutes", _ASSEMBLE_MINUTES if protocol in _ASSEMBLED else 0)
    if minutes and protocol not in _ASSEMBLED:
        raise ProfileError(f"{where}: assemble_minutes is for {', '.join(_ASSEMBLED)} only; leave it out")
    constants = dict(mapping.get("constants", {}))
    if "family" in entry:
        if protocol not in _OF_FAMILY or entry["family"] not in _FAMILIES:
            raise ProfileError(
                f"{where}: family must be one of {', '.join(_FAMILIES)}, for {', '.join(sorted(_OF_FAMILY))} only"
            )
        constants["family"] = entry["family"]
    return Channel(
        id=entry["id"],
        feed=entry["feed"],
        protocol=protocol,
        name=entry.get("name", entry["id"]),
        crs=entry["crs"],
        table=entry.get("table", ""),
        max_body_bytes=int(
            in_range(where, "max_body_bytes", entry.get("max_body_bytes", _DEFAULT_BODY_BYTES), _BODY_BYTES)
        ),
        max_records=max_records,
        auth=auth,
        messages_per_s=None if per_second is None else in_range(where, "messages_per_s", per_second, ABOVE_0),
        burst=int(in_range(where, "burst", entry.get("burst", max_records), _RECORDS)),
        assemble_minutes=in_range(where, "assemble_minutes", minutes, _MINUTES),
        mapping=dict(mapping.get("mapping", {})),
        constants=constants,
        codes={target: dict(words) for target, words in mapping.get("codes", {}).items()},
        source=source,
        leader_call=_flag(where, "leader_call", entry),
    )


def _flag(where: str, name: str, entry: dict[str, Any]) -> bool:
    value = entry.get(name, False)
    if not isinstance(value, bool):
        raise ProfileError(f"{where}: {name} must be true or false")
    return value
