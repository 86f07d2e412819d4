"""A relational exchange table (前置库) as a pull feed: docs/feeds/sql.md.

A pass reads rows in the order (clock, key), page by page. It starts `lag_s` before the latest clock seen, because rows are
committed later than their clock says, and leaves out what it remembers to have taken unchanged. Rows without a clock are
read in the order of their key, from `lag_rows` back. Forgetting costs replays, never a row.
"""

import hashlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from connectors.bodies import Broken, Message
from connectors.errors import Refusal
from connectors.readers.cursor import Cursor
from connectors.readers.database import Database
from connectors.readers.loop import Batch, SourceError
from connectors.readers.rows import Clock, json_value, to_message
from profiles.sources import SqlSource

#: Rows to be read again that are remembered; those before them come again as replays.
_REMEMBERED: Final = 50_000
#: Entry of the cursor: which rows without a key were told.
_KEYLESS: Final = "keyless"
#: What counts in a key of text: its last digits. With fewer than a date has, they will be one more some day.
_COUNT: Final = re.compile(r"[0-9]+$")
_DATED: Final = 8
Row = Mapping[str, Any]


class _Lane:
    """Rows of one order: those with a clock, or those without.

    high: the latest moment seen (never later than now, or one wrong date would hide all that follows). seen: key -> (moment,
    fingerprint) of the rows that will be read again, those read longest ago first. whole: keys are whole numbers.
    """

    def __init__(self, stored: Any, source: SqlSource, clock: Clock | None) -> None:
        self.clock = clock
        self._source = source
        self._high: Any = None
        self._seen: dict[str, tuple[Any, str]] = {}
        self._whole = False
        try:
            high, seen, self._whole = stored
            self._high = clock.restore(high) if clock and high is not None else None
            self._seen = {key: (clock.restore(at) if clock and at else None, mark) for key, at, mark in seen}
        except (TypeError, ValueError):
            pass  # no cursor, or one that can't be read: from the start

    def stored(self) -> Any:
        """The lane as JSON holds it."""
        store = self.clock.store if self.clock else str
        high = None if self._high is None else store(self._high)
        seen = [(key, None if at is None else store(at), mark) for key, (at, mark) in self._seen.items()]
        return [high, seen, self._whole]

    def start(self) -> Any:
        """The first clock (or key) to read from; None: from the very first row."""
        if self.clock:
            return None if self._high is None else self.clock.back(self._high, self._source.lag_s)
        if len(self._seen) < max(1, self._source.lag_rows):
            return None  # none was forgotten: all are read again, in whatever order their keys came
        key = next(filter(None, self._seen), None)
        try:
            return int(key) if key is not None and self._whole else key
        except ValueError:  # not whole
            return key

    def fresh(self, rows: Sequence[Row], zone: ZoneInfo | None) -> list[Message | Broken]:
        """The rows that are new or changed, as messages; all are remembered."""
        found = []
        for row in rows:
            message = to_message(row, zone)
            mark = hashlib.sha256(message.raw).hexdigest()[:16]
            moment = self.clock.moment(row[self._source.clock]) if self.clock else None
            key = str(json_value(row[self._source.key]))
            self._whole = isinstance(row[self._source.key], int | Decimal)
            known = self._seen.pop(key, None)
            self._seen[key] = (moment, mark)
            if known is None or known[1] != mark:
                found.append(message)
            if self.clock and moment is not None:
                reached = min(moment, self.clock.now(moment))
                self._high = reached if self._high is None else max(self._high, reached)
        self._forget()
        return found

    def _forget(self) -> None:
        """Drops what the next pass will not read."""
        start = self.start() if self.clock else None
        most = _REMEMBERED if self.clock else max(1, self._source.lag_rows)
        for key in list(self._seen):
            moment = self._seen[key][0]
            before = start is not None and moment is not None and moment < start
            if not before and len(self._seen) <= most:
                break
            del self._seen[key]


class SqlOrigin:
    """One table or query of a database. `zone`: the profile's, for a source that names none."""

    errors: tuple[type[Exception], ...] = ()

    def __init__(self, name: str, source: SqlSource, zone: ZoneInfo, database: Database) -> None:
        self.name = name
        self.every_s = source.every_s
        self.identity = "|".join((source.table, source.query, source.clock, source.clock_format, source.key))
        self._source = source
        self._clock = (
            Clock(source.clock_format, ZoneInfo(source.zone) if source.zone else zone) if source.clock else None
        )
        self._zone = ZoneInfo(source.zone) if source.zone else None
        self._database = database

    async def read(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """One pass over the rows with a clock, and one over those without."""
        lanes = {}
        if self._clock:
            lanes["clocked"] = _Lane(cursor.get("clocked"), self._source, self._clock)
        lanes["bare"] = _Lane(cursor.get("bare"), self._source, None)
        for lane in lanes.values():
            async for rows in self._pages(lane):
                if items := lane.fresh(rows, self._zone):
                    stored = {name: one.stored() for name, one in lanes.items()}
                    yield Batch(items=items, cursor={**stored, _KEYLESS: cursor.get(_KEYLESS)})
        stored = {name: one.stored() for name, one in lanes.items()}
        if batch := await self._keyless(cursor.get(_KEYLESS), stored):
            yield batch

    async def _keyless(self, known: Any, stored: dict[str, Any]) -> Batch | None:
        """The rows whose key is null, which no order has a place for: told once, by what they hold."""
        rows, key, _ = self._database.relation(self._source)
        found: sa.Select[Any] = (
            sa.select(sa.literal_column("*")).select_from(rows).where(key.is_(None)).limit(self._source.batch)
        )
        marked = {
            hashlib.sha256(raw := to_message(row, self._zone).raw).hexdigest()[:16]: raw
            for row in await self._rows(found)
        }
        refusal = Refusal("missing_field", f"{self._source.key}: is null; the source's key must be given in every row")
        told = set(known) if isinstance(known, list) else set()
        items: list[Message | Broken] = [Broken(raw, refusal) for mark, raw in marked.items() if mark not in told]
        return Batch(items=items, cursor={**stored, _KEYLESS: sorted(marked)}) if items else None

    async def _pages(self, lane: _Lane) -> AsyncGenerator[Sequence[Row], None]:
        start, source = lane.start(), self._source
        rows = await self._rows(self._question(lane, start))
        if not rows and start is not None and not lane.clock:
            # All that was read last is gone: the table was emptied, and its numbers may begin anew.
            rows = await self._rows(self._question(lane, None))
        while rows:
            if not source.clock:
                self._check_keys(rows)
            page, beyond = rows[: source.batch], rows[source.batch :]
            yield page
            if not beyond:
                return
            last = page[-1]
            if _same(last, beyond[0], source):
                raise SourceError(f"the column {source.key} has a value twice; choose a key that never has")
            rows = await self._rows(self._question(lane, None, last))
            if rows and _same(last, rows[: source.batch][-1], source):
                raise SourceError("clock and key do not part the rows; cast the clock to microseconds in a query")

    def _check_keys(self, rows: Sequence[Row]) -> None:
        """Raises SourceError for keys by whose order rows would be passed over: text that counts, and keys that come twice."""
        keys = [row[self._source.key] for row in rows]
        counts = {len(found[0]) for key in keys if isinstance(key, str) and (found := _COUNT.search(key))}
        if len(counts) > 1 or min(counts, default=_DATED) < _DATED:
            raise SourceError(
                f"the column {self._source.key} counts in text, where 10 comes before 9; cast it in a query, or name a clock"
            )
        if any(isinstance(key, UUID) for key in keys):
            raise SourceError(f"the column {self._source.key} has no order in which rows come; name a clock")
        if len(set(keys)) < len(keys):
            raise SourceError(f"the column {self._source.key} has a value twice; choose a key that never has")

    async def _rows(self, question: sa.Select[Any]) -> Sequence[Row]:
        rows = await self._database.rows(question)
        for name in (self._source.key, self._source.clock or self._source.key):
            if rows and name not in rows[0]:
                raise SourceError(f"the rows have no column {name}; correct the source's key and clock")
        return rows

    def _question(self, lane: _Lane, start: Any, after: Row | None = None) -> sa.Select[Any]:
        """A page's rows: from a clock or key on, or after a row."""
        source = self._source
        rows, key, clock = self._database.relation(source)
        chosen: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(rows).limit(source.batch + 1)
        chosen = chosen.where(key.is_not(None))
        blank = clock.is_(None)
        if self._clock and self._clock.text:
            blank = sa.or_(blank, clock == "")
        if lane.clock:
            chosen = chosen.where(sa.not_(blank)).order_by(clock, key)
            if after is not None:
                reached = _value(after[source.clock])
                later = sa.and_(clock == reached, key > _value(after[source.key]))
                return chosen.where(sa.or_(clock > reached, later))
            return chosen if start is None else chosen.where(clock >= _value(lane.clock.parameter(start)))
        if self._clock:
            chosen = chosen.where(blank)
        if after is not None:
            chosen = chosen.where(key > _value(after[source.key]))
        elif start is not None:
            chosen = chosen.where(key >= _value(start))
        return chosen.order_by(key)


def _value(value: Any) -> Any:
    """A value to compare with: text as whatever the column is (a time that came as text, a UUID), not cast to VARCHAR."""
    return sa.literal(value, sa.types.NULLTYPE) if isinstance(value, str) else value


def _same(one: Row, other: Row, source: SqlSource) -> bool:
    return all(one.get(name) == other.get(name) for name in (source.key, source.clock))
