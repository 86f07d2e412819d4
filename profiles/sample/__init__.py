"""A year of made-up messages in each feed's own wire shape, with the truth about which of them tell the same matter.

    write_sample(load_profile(Path("profiles/demo")), Path("sample"))

writes, month by month, `<YYYY-MM>/<channel-id>.ndjson` (JSON, one message a line), `<channel-id>.xml` (one whole XML
message a line) and `<channel-id>.progress.ndjson` (steps of cases whose channel cannot tell them itself: WeChat), each in
time order, and beside them `truth.csv` and `manifest.json`. The same seed gives the same bytes on every machine.

Everything in it is invented: persons, phones (15400xxxxxx, a range without mobile service), OpenIDs (oDEMO...), estates,
roads, shops, texts. See profiles/README.md.
"""

import heapq
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from profiles import Channel, Profile, ProfileError
from profiles.sample.alarms import Alarms
from profiles.sample.draw import Draw
from profiles.sample.life import Lives
from profiles.sample.plan import DAY, UTC_OFFSET, Planned, Planner, local_seconds
from profiles.sample.texts import FEEDS, load_texts
from profiles.sample.wire import Wire, cdata

GENERATOR_VERSION: Final = "2"
#: Protocols of the cameras, and how their files end.
_VIDEO: Final = {"hikvision": "xml", "aibox": "ndjson"}
FULL_YEAR: Final = 26_700
PHONE_PREFIX: Final = "15400"
TRUTH_COLUMNS: Final = (
    "feed",
    "channel",
    "upstream_id",
    "matter",
    "relation",
    "community",
    "matter_kind",
    "reported_at",
)

Progress = Callable[[int, int], None]


@dataclass
class Manifest:
    """What was written. Counts of `reports` and `relations` leave out replays, alarms and events; all steps are in `steps`."""

    made_up: bool
    generator_version: str
    seed: int
    year: int
    phone_prefix: str
    reports: dict[str, int] = field(default_factory=dict)
    relations: dict[str, int] = field(default_factory=dict)
    matters: int = 0
    confidential: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    alarms: int = 0
    alarm_episodes: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    replays: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)


class _Files:
    """Appends lines to `<month>/<name>`; lines must come in time order, so that only one month is open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._month = ""
        self._open: dict[str, BinaryIO] = {}
        self.lines: dict[str, int] = {}

    def write(self, at: int, name: str, line: bytes) -> None:
        month = datetime.fromtimestamp(at, UTC).strftime("%Y-%m")
        if month != self._month:
            self.close()
            self._month = month
            (self._folder / month).mkdir(parents=True, exist_ok=True)
        path = f"{month}/{name}"
        if name not in self._open:
            self._open[name] = self._stack.enter_context((self._folder / path).open("wb"))
        self._open[name].write(line + b"\n")
        self.lines[path] = self.lines.get(path, 0) + 1

    def close(self) -> None:
        self._stack.close()
        self._open.clear()


def _channels(profile: Profile) -> dict[str, Channel]:
    """The first channel of each protocol the sample speaks."""
    found: dict[str, Channel] = {}
    for channel in profile.channels.values():
        found.setdefault(channel.protocol, channel)
    if missing := [name for name in (*FEEDS, *_VIDEO) if name not in found]:
        raise ProfileError(f"channels.toml: the sample needs a channel for each of {', '.join(missing)}")
    return found


class _Writer:
    def __init__(self, files: _Files, manifest: Manifest, seed: int) -> None:
        self._files, self._manifest = files, manifest
        self._pending: list[tuple[int, int, str, bytes]] = []
        self._sequence = 0
        self._replay = Draw(seed + 4)

    def later(self, at: int, name: str, line: bytes) -> None:
        """Keeps a line until everything before it is written."""
        self._sequence += 1
        heapq.heappush(self._pending, (at, self._sequence, name, line))

    def until(self, at: int) -> None:
        """Writes the kept lines up to the local second `at`."""
        while self._pending and self._pending[0][0] <= at:
            moment, _, name, line = heapq.heappop(self._pending)
            self._files.write(moment, name, line)

    def twice(self, kind: str, share: float) -> int:
        """1, or 2 for a message that its sender sends again after a lost answer."""
        if not self._replay.chance(share):
            return 1
        self._manifest.replays[kind] = self._manifest.replays.get(kind, 0) + 1
        return 2


def write_sample(
    profile: Profile,
    folder: Path,
    seed: int = 2025,
    year: int = 2025,
    reports: int = FULL_YEAR,
    progress: Progress | None = None,
) -> Manifest:
    """Writes the sample of `reports` appeals (alarms come on top, in proportion) into `folder`, which must be new or empty.

    `progress` is called with (appeals written, appeals in all). Raises ProfileError when the profile's sample.toml is wrong
    or its communities are too few for so many appeals, FileExistsError when the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name a new folder for the sample")
    folder.mkdir(parents=True, exist_ok=True)
    texts = load_texts(profile)
    channels = _channels(profile)
    planner = Planner(profile, texts, channels, Draw(seed), year)
    planned = planner.plan(reports)
    manifest = Manifest(profile.made_up, GENERATOR_VERSION, seed, year, PHONE_PREFIX)
    files = _Files(folder)
    writer = _Writer(files, manifest, seed)
    lives, wire = Lives(profile, Draw(seed + 1)), Wire(profile, texts, Draw(seed + 2))
    alarms = Alarms(profile, [channels[protocol] for protocol in _VIDEO], planner.calendar, Draw(seed + 3))
    _alarms(alarms, channels, writer, manifest, reports)
    _events(writer, wire, channels["wechat"], manifest, Draw(seed + 5), year, reports)
    again = set(Draw(seed + 6).shuffled(range(reports))[: max(3, reports // 650)])
    with (folder / "truth.csv").open("w", encoding="utf-8", newline="\n") as truth:
        truth.write(",".join(TRUTH_COLUMNS) + "\n")
        for number, report in enumerate(planned):
            channel = channels[report.feed]
            due = lives.given_due(report)
            upstream_id, line = wire.report(report, due)
            name = f"{channel.id}.{'xml' if report.feed == 'wechat' else 'ndjson'}"
            copies = 2 if number in again else 1
            if copies == 2:
                manifest.replays["report"] = manifest.replays.get("report", 0) + 1
            for _ in range(copies):
                writer.later(report.at, name, line)
            _steps(writer, wire, lives, manifest, report, upstream_id, channel)
            writer.until(report.at)
            _count(manifest, report, channel)
            truth.write(_truth(report, channel, upstream_id))
            if progress and (number % 500 == 499 or number + 1 == reports):
                progress(number + 1, reports)
    writer.until(2**62)
    files.close()
    manifest.matters = max((report.matter for report in planned), default=0)
    manifest.files = dict(sorted(files.lines.items()))
    (folder / "manifest.json").write_text(
        json.dumps(asdict(manifest), ensure_ascii=False, indent=2) + "\n", encoding="utf-8", newline="\n"
    )
    return manifest


def _steps(
    writer: _Writer,
    wire: Wire,
    lives: Lives,
    manifest: Manifest,
    report: Planned,
    upstream_id: str,
    channel: Channel,
) -> None:
    name = f"{channel.id}.progress.ndjson" if report.feed == "wechat" else f"{channel.id}.ndjson"
    for number, step in enumerate(lives.steps(report), start=1):
        line = wire.step(report, upstream_id, step, number)
        for _ in range(writer.twice("step", 0.0003)):
            writer.later(step.at, name, line)
        manifest.steps[channel.id] = manifest.steps.get(channel.id, 0) + 1


def _alarms(alarms: Alarms, channels: dict[str, Channel], writer: _Writer, manifest: Manifest, reports: int) -> None:
    episodes = set()
    for line in alarms.lines(reports / FULL_YEAR):
        copies = writer.twice("alarm", 0.002) if line.kind == "alarm" else 1
        for _ in range(copies):
            writer.later(line.at, f"{channels[line.protocol].id}.{_VIDEO[line.protocol]}", line.data)
        if line.kind == "alarm":
            manifest.alarms += 1
            episodes.add(line.episode)
        else:
            manifest.ignored[line.kind] = manifest.ignored.get(line.kind, 0) + 1
    manifest.alarm_episodes = len(episodes)


def _events(
    writer: _Writer, wire: Wire, channel: Channel, manifest: Manifest, draw: Draw, year: int, reports: int
) -> None:
    """People who follow the account: events of WeChat, which are no petitions."""
    start = local_seconds(datetime(year, 1, 1, tzinfo=UTC).date())
    count = round(60 * reports / FULL_YEAR) + 2
    for number in range(count):
        at = start + draw.below(365 * DAY)
        event = draw.pick(("subscribe", "subscribe", "CLICK", "unsubscribe"))
        rest = f"<Event>{cdata(event)}</Event><EventKey>{cdata('')}</EventKey>"
        line = wire.wechat(f"oDEMOevent{number:05d}{draw.digits(13)}", at, "event", rest)
        writer.later(at, f"{channel.id}.xml", line)
    manifest.ignored["event"] = count


def _count(manifest: Manifest, report: Planned, channel: Channel) -> None:
    manifest.reports[channel.id] = manifest.reports.get(channel.id, 0) + 1
    manifest.relations[report.relation] = manifest.relations.get(report.relation, 0) + 1
    manifest.confidential += report.confidential


def _truth(report: Planned, channel: Channel, upstream_id: str) -> str:
    community = report.community.code if report.community else ""
    reported_at = (report.at - UTC_OFFSET) * 1000
    return (
        f"{channel.feed},{channel.id},{upstream_id},M{report.matter:06d},{report.relation},"
        f"{community},{report.kind},{reported_at}\n"
    )
