"""Reports to measure with: the sample's own, normalised by the connectors, repeated with other ids and later times."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zoneinfo import ZoneInfo

from connectors.base import Context
from connectors.bodies import Broken
from connectors.errors import Refusal
from connectors.places import Places
from connectors.privacy import Privacy, SealKey
from connectors.registry import CONNECTORS
from hub.sample_year import feed_files
from profiles import Profile
from profiles.sample import write_sample
from schemas.codec import Codec
from schemas.ids import report_id
from schemas.records import Report
from schemas.topics import intake_topic

_BASE_REPORTS: Final = 5_000
#: Each repetition lies beyond the matching state's horizon, so that it is new reports and not one long chain of repeats.
_SHIFT_MS: Final = 450 * 24 * 3600 * 1000
_NOW_MS: Final = 4_100_000_000_000


def sample(profile: Profile, folder: Path) -> Iterator[Report]:
    privacy = Privacy(secrets.token_bytes(32), {"bench": SealKey(secrets.token_bytes(32))}, "bench")
    places = Places(profile)
    types = {".ndjson": "application/x-ndjson", ".xml": "application/xml"}
    for files in feed_files(profile, folder):
        for file in files:
            if file.path.name.endswith(".progress.ndjson"):
                continue
            connector = CONNECTORS[file.channel.protocol]
            context = Context(profile, file.channel, privacy, places, ZoneInfo(profile.timezone), _NOW_MS)
            content_type = types[file.path.suffix]
            bodies = [file.path.read_bytes()] if file.path.suffix == ".ndjson" else file.path.read_bytes().splitlines()
            for body in bodies:
                for item in connector.parse(body, content_type, context).items:
                    if isinstance(item, Broken):
                        continue
                    try:
                        record = connector.normalise(item, context)
                    except Refusal:
                        continue
                    if record is not None and record[0] == "report":
                        yield record[1]


def records(profile: Profile, codec: Codec, count: int) -> list[tuple[str, bytes, bytes]]:
    """(topic, key, value) of `count` reports, in the order of time."""
    with TemporaryDirectory() as folder:
        write_sample(profile, Path(folder) / "sample", seed=1, reports=min(count, _BASE_REPORTS))
        base = sorted(sample(profile, Path(folder) / "sample"), key=lambda report: report["reported_at"])
    found: list[tuple[str, bytes, bytes]] = []
    turn = 0
    while len(found) < count:
        for report in base[: count - len(found)]:
            number = f"{report['upstream_id']}-{turn}"
            shifted: Report = {
                **report,
                "report_id": report_id(report["feed"], report["channel"], number),
                "upstream_id": number,
                "reported_at": report["reported_at"] + turn * _SHIFT_MS,
            }
            found.append((intake_topic(report["feed"]), report["place_key"].encode(), codec.encode("report", shifted)))
        turn += 1
    return found
