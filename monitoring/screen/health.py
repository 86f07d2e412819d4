"""Whether the hub's processes answer: asked for all readers together, and only while somebody reads."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout

#: Seconds between two askings, and seconds of patience.
_EVERY_S: Final = 10.0
_PATIENCE: Final = ClientTimeout(total=3)


@dataclass(frozen=True)
class Health:
    """A process by its name: up, failing (it answers that something is wrong) or down."""

    name: str
    state: str


def parse_watches(text: str) -> dict[str, str]:
    """`gateway=http://host:8080/health,...` by name; raises ValueError."""
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, sign, url = part.partition("=")
        if not sign or not name or not url.startswith(("http://", "https://")):
            raise ValueError(f"write name=http://host:port/health, separated by commas; {part!r} is none")
        found[name] = url
    return found


class Watch:
    """The processes' health, at most so old as an asking takes and the pause lasts."""

    def __init__(self, watches: dict[str, str]) -> None:
        self._watches = watches
        self._lock = asyncio.Lock()
        self._known: list[Health] = []
        self._asked = float("-inf")

    async def health(self) -> list[Health]:
        """All processes in the order of the setting."""
        async with self._lock:
            if self._watches and time.monotonic() - self._asked >= _EVERY_S:
                async with ClientSession(timeout=_PATIENCE) as session:
                    states = await asyncio.gather(*(_state(session, url) for url in self._watches.values()))
                self._known = [Health(name, state) for name, state in zip(self._watches, states, strict=True)]
                self._asked = time.monotonic()
        return self._known


async def _state(session: ClientSession, url: str) -> str:
    try:
        async with session.get(url) as answer:
            return "up" if answer.status < 300 else "failing"
    except (ClientError, TimeoutError, OSError):
        return "down"
