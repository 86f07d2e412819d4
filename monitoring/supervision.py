"""督办 and 未诉先办 as alerts: what the views say must be looked at now, told once on topic `alerts` and cleared when it ends.

The rules are SQL, in sinks/views: each row of bi.firing is one alert that holds now. Here is only the difference to what stands.
An alert holds for a rule and a subject; its id comes of those and its onset, so that a second process, or this one after a
crash, tells the same alert and not another. Where a rule can't name its onset (a hot point has none), two may be told at once:
the later one is cleared as soon as both are seen.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any, Final, cast

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka.errors import KafkaError

from monitoring import metrics
from schemas.ids import digest_id
from schemas.records import Alert

_log: Final = logging.getLogger(__name__)

_FIRING: Final = """
SELECT rule, severity, subject_type, subject, place_key, onset, raised_at, value, threshold, summary, report_ids, rule_version
FROM bi.firing
"""
#: The rules that bi.firing speaks of, whether or not any of their alerts holds.
_RULES: Final = "SELECT rule, severity FROM bi.supervision_rules"
_ALERT: Final = (
    "alert_id, rule, severity, subject_type, subject, place_key, raised_at, cleared_at, value, threshold, summary, report_ids, "
    "rule_version"
)
_OPEN: Final = f"SELECT {_ALERT} FROM bi.alerts WHERE is_open"  # noqa: S608 - constants
#: What streams raised on a matter that has no open case any more: they see one report at a time, and never that.
_SETTLED: Final = """
SELECT alert_id FROM bi.alerts
WHERE is_open AND subject_type = 'matter' AND rule IN ('mass_appeal', 'ping_pong', 'emergency')
    AND subject IN (SELECT matter_id FROM bi.cases GROUP BY matter_id HAVING countIf(is_open) = 0)
"""


@dataclass(frozen=True)
class Firing:
    """One alert that holds now; times UTC. `onset` tells two of a rule and subject apart; empty: the time it is told."""

    rule: str
    severity: str
    subject_type: str
    subject: str
    place_key: str
    onset: str
    raised_at: datetime
    value: float | None
    threshold: float | None
    summary: str
    report_ids: list[str]
    rule_version: str

    def alert(self, now_ms: int) -> Alert:
        """The record that raises it."""
        return {
            "alert_id": digest_id(self.rule, self.subject, self.onset or str(now_ms)),
            "rule": self.rule,
            "severity": self.severity,
            "subject_type": self.subject_type,
            "subject": self.subject,
            "place_key": self.place_key,
            "raised_at": _millis(self.raised_at),
            "cleared_at": None,
            "value": self.value,
            "threshold": self.threshold,
            "summary": self.summary,
            "report_ids": self.report_ids,
            "rule_version": self.rule_version,
        }


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def changes(firing: Iterable[Firing], standing: Iterable[Alert], now_ms: int) -> list[Alert]:
    """What must be told: what began, then those of `standing` that ended or tell a second time what another tells."""
    present = {(one.rule, one.subject): one for one in firing}
    kept: set[tuple[str, str]] = set()
    ended = []
    for alert in sorted(standing, key=lambda alert: (alert["raised_at"], alert["alert_id"])):
        key = alert["rule"], alert["subject"]
        if key in present and key not in kept:
            kept.add(key)
        else:
            ended.append(cleared(alert, now_ms))
    return [one.alert(now_ms) for key, one in present.items() if key not in kept] + ended


def cleared(alert: Alert, now_ms: int) -> Alert:
    """The record that ends an alert; never before it began, whatever the clocks say."""
    return {**alert, "cleared_at": max(now_ms, alert["raised_at"])}


class Supervisor:
    """Compares what fires with what stands. One at a time is enough; two do no harm."""

    def __init__(self, connect: Callable[[], Client], tell: Callable[[Sequence[Alert]], None]) -> None:
        """`connect` gives a client of any user that reads database bi. `tell` returns when Kafka acknowledged all."""
        self._connect = connect
        self._tell = tell
        self._client: Client | None = None
        #: What was told and is not to be seen in ClickHouse yet, by id.
        self._told: dict[str, Alert] = {}
        #: Monotonic time of the last round that told all there was to tell.
        self.last_round = time.monotonic()

    def round(self) -> list[Alert]:
        """Tells what began and ended since the last round, and returns it. Raises ClickHouseError, and what `tell` raises."""
        try:
            return self._round()
        except ClickHouseError:
            if self._client is not None:
                self._client.close()
            self._client = None
            raise

    def _round(self) -> list[Alert]:
        client = self._client = self._client or self._connect()
        severities: dict[str, str] = dict(cast(Any, client.query(_RULES).result_rows))
        standing = self._standing(client)
        settled = {row[0] for row in client.query(_SETTLED).result_rows}
        firing = [Firing(*row) for row in client.query(_FIRING, tz_mode="aware").result_rows]
        now_ms = time.time_ns() // 1_000_000
        told = changes(firing, (alert for alert in standing if alert["rule"] in severities), now_ms)
        told += [cleared(alert, now_ms) for alert in standing if alert["alert_id"] in settled]
        self._tell(told)
        self._told |= {alert["alert_id"]: alert for alert in told}
        _count(firing, told, severities)
        self.last_round = time.monotonic()
        return told

    def _standing(self, client: Client) -> list[Alert]:
        """The alerts that hold by what is stored and what was told since."""
        names = _ALERT.split(", ")
        rows = (dict(zip(names, row, strict=True)) for row in client.query(_OPEN, tz_mode="aware").result_rows)
        stored = {row["alert_id"]: cast(Alert, {**row, "raised_at": _millis(row["raised_at"])}) for row in rows}
        # A raising is no more of interest once it is stored, a clearing once its alert is gone from what is open.
        self._told = {i: alert for i, alert in self._told.items() if (alert["cleared_at"] is None) != (i in stored)}
        return [alert for alert in (stored | self._told).values() if alert["cleared_at"] is None]


def _count(firing: Sequence[Firing], told: Sequence[Alert], severities: dict[str, str]) -> None:
    for alert in told:
        (metrics.ALERTED if alert["cleared_at"] is None else metrics.ALERTS_CLEARED).labels(alert["rule"]).inc()
    standing = [one.rule for one in firing]
    for rule, severity in severities.items():
        metrics.ALERTS_STANDING.labels(rule, severity).set(standing.count(rule))
    metrics.LAST_SUPERVISED.set_to_current_time()


def watch(supervisor: Supervisor, every_s: float, stop: Event) -> None:
    """Rounds until `stop`; where ClickHouse or Kafka does not answer, the next round tells what this one could not."""
    while not stop.is_set():
        try:
            supervisor.round()
        except (ClickHouseError, KafkaError) as error:
            _log.warning("ClickHouse or Kafka does not answer the supervision (%s); tried again", type(error).__name__)
        stop.wait(every_s)
