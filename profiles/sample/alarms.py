"""Camera alarms of the sample year: one rainy evening and one holiday of bursts, a thin stream else, and heartbeats.

Cameras with an even place in the register send Hikvision XML, the others the JSON of an AI box; each repeats its alarm
every second or few while it lasts (an episode). Two episodes of one camera are more than 20 minutes apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal
from xml.sax.saxutils import escape

import orjson

from profiles import Camera, Channel, Profile
from profiles.sample.draw import Draw, Weighted
from profiles.sample.plan import DAY, HOUR, UTC_OFFSET, Calendar, local_seconds

_NAMESPACES: Final = ("http://www.isapi.org/ver20/XMLSchema", "http://www.hikvision.com/ver20/XMLSchema")
_QUIET: Final = 20 * 60
#: Alarms that tell no kind of matter.
_NO_MATTER: Final = frozenset(("abandonedObject", "fielddetection", "linedetection"))


@dataclass(slots=True)
class AlarmLine:
    """A line of the video files; `at` is local seconds."""

    at: int
    protocol: Literal["hikvision", "aibox"]
    kind: Literal["alarm", "heartbeat"]
    episode: int
    data: bytes


def _hikvision(camera: str, mac: str, at: int, event: str, state: str, count: int, variant: int) -> bytes:
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S") + ("+08:00" if variant % 2 else "")
    device = f"<deviceID>{escape(camera)}</deviceID>" if camera else ""
    return (
        f'<EventNotificationAlert version="2.0" xmlns="{_NAMESPACES[variant // 2 % 2]}"><ipAddress>192.0.2.{variant % 200 + 1}'
        f"</ipAddress><portNo>80</portNo><protocol>HTTP</protocol><macAddress>{mac}</macAddress><channelID>1</channelID>"
        f"{device}<dateTime>{stamp}</dateTime><activePostCount>{count}</activePostCount><eventType>{event}</eventType>"
        f"<eventState>{state}</eventState><eventDescription>{event} alarm</eventDescription></EventNotificationAlert>"
    ).encode()


def _box(camera: str, at: int, event: str, confidence: float, variant: int) -> bytes:
    stamp: str | int = at - UTC_OFFSET
    if variant % 3 == 0:
        stamp = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S") + "+08:00"
    elif variant % 3 == 1:
        stamp = (at - UTC_OFFSET) * 1000
    return orjson.dumps(
        {
            "camera_id": camera,
            "event_type": event,
            "timestamp": stamp,
            "confidence": confidence,
            "image_snapshot_url": f"https://media.invalid/{camera}/{at}.jpg",
            "video_clip_url": f"https://media.invalid/{camera}/{at}.mp4",
        }
    )


class Alarms:
    """Draws the year's alarm lines for a profile both of whose channels map the event types used.

    Those are the types that tell a kind of matter, and a few that do not, for the manual queue. Cameras are those with a
    number of their own: others are known by the address of a device.
    """

    def __init__(self, profile: Profile, channels: Iterable[Channel], calendar: Calendar, draw: Draw) -> None:
        self._draw, self._calendar = draw, calendar
        self._cameras: list[Camera] = [camera for camera in profile.cameras.values() if camera.device_id.isdigit()]
        self._types = set.intersection(*(_types(profile, channel.table) for channel in channels))
        self._until = [0] * len(self._cameras)
        self._lines: list[AlarmLine] = []
        self._episodes = 0

    def lines(self, scale: float) -> list[AlarmLine]:
        """The lines in time order; `scale` 1 gives about 4 000 in the two bursts."""
        wet = [day for day in self._calendar.rain if day.month in (7, 8)] or self._calendar.rain
        holiday = date(self._calendar.first.year, 10, 1)
        start = local_seconds(wet[len(wet) // 2], 18 * HOUR + HOUR // 2)
        self._burst(start, 5 * HOUR, round(2700 * scale), (("flooding", 75), ("manhole", 10), ("road_damage", 15)))
        start = local_seconds(holiday, 9 * HOUR)
        self._burst(start, 12 * HOUR, round(1300 * scale), (("crowd", 45), ("illegalParking", 40), ("vendor", 15)))
        self._year(round(400 * scale) + 2)
        for _ in range(round(120 * scale) + 2):
            self._heartbeat()
        return sorted(self._lines, key=lambda line: line.at)

    def _burst(self, start: int, length: int, alarms: int, mix: tuple[tuple[str, float], ...]) -> None:
        draw = self._draw
        types = [(name, weight) for name, weight in mix if name in self._types]
        weights = Weighted([weight for _, weight in types])
        self._until = [0] * len(self._cameras)
        tries = 0
        while alarms > 0 and tries < 10_000:
            tries += 1
            index = draw.below(len(self._cameras))
            at = start + draw.below(length)
            if at < self._until[index]:
                continue
            count = min(alarms, draw.between(8, 90))
            event = types[weights.draw(draw)][0]
            self._until[index] = self._episode(index, at, event, count) + _QUIET
            alarms -= count

    def _year(self, episodes: int) -> None:
        """One to four alarms now and then, each camera in its own weeks, away from the days of the bursts."""
        draw, types = self._draw, sorted(self._types)
        busy = {line.at // DAY for line in self._lines}
        taken: set[tuple[int, int]] = set()
        while episodes:
            day = self._calendar.first + timedelta(days=draw.below(self._calendar.days))
            at = local_seconds(day, draw.between(6 * HOUR, 23 * HOUR))
            index = draw.below(len(self._cameras))
            if at // DAY in busy or (index, at // DAY) in taken:
                continue
            taken.add((index, at // DAY))
            self._episode(index, at, draw.pick(types), draw.between(1, 4), stranger=draw.chance(0.01))
            episodes -= 1

    def _episode(self, index: int, at: int, event: str, count: int, *, stranger: bool = False) -> int:
        """Adds `count` alarms of one camera; a stranger is not in the register. Returns when it ended."""
        draw = self._draw
        self._episodes += 1
        camera = self._cameras[index].device_id
        for number in range(1, count + 1):
            if index % 2 == 0:
                device = "" if stranger else camera
                data = _hikvision(device, _mac(index), at, event, "active", number, index // 2)
                self._lines.append(AlarmLine(at, "hikvision", "alarm", self._episodes, data))
            else:
                data = _box(camera, at, event, draw.between(40, 99) / 100, index // 2)
                self._lines.append(AlarmLine(at, "aibox", "alarm", self._episodes, data))
            at += draw.between(1, 4)
        return at

    def _heartbeat(self) -> None:
        draw = self._draw
        index = draw.below((len(self._cameras) + 1) // 2) * 2
        at = local_seconds(self._calendar.first) + draw.below(self._calendar.days * DAY)
        event, state = draw.pick((("videoloss", "inactive"), ("heartBeat", "active")))
        data = _hikvision(self._cameras[index].device_id, _mac(index), at, event, state, 0, index // 2)
        self._lines.append(AlarmLine(at, "hikvision", "heartbeat", 0, data))


def _types(profile: Profile, table: str) -> set[str]:
    """Event types by name; those with numbers of GB/T 28181 are not of these devices."""
    return {
        code
        for (city, edition, _, code), (matter, _) in profile.kinds.items()
        if (city, edition) == (profile.city, table) and (matter or code in _NO_MATTER) and "/" not in code
    }


def _mac(index: int) -> str:
    """A MAC address of the block kept for documentation (RFC 7042)."""
    return f"00:00:5e:00:53:{index % 256:02x}"
