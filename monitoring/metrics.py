"""The closed registry of metric names: every process counts with these objects and no others.

Names are `zhishu_<name>_<unit>[_total]` in base units. Labels are bounded: a feed, a reason code, a relation, a table;
never an id, an address or a text.
"""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from schemas.reasons import REASON_CODES

#: From a few milliseconds (one hop) to an hour (catching up after an outage).
_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)

RECEIVED = Counter("zhishu_received_messages", "Messages that reached an intake, good or bad", ["feed"])
ACCEPTED = Counter("zhishu_accepted_messages", "Messages acknowledged by Kafka and answered 2xx", ["feed", "record"])
IGNORED = Counter(
    "zhishu_ignored_messages", "Messages that are no petition by rule (WeChat events, device heartbeats)", ["feed"]
)
WECHAT_EVENTS = Counter(
    "zhishu_wechat_events", "Of the ignored messages WeChat's events and links, by a bounded word", ["feed", "event"]
)
REFUSED = Counter("zhishu_refused_messages", "Messages refused with a 4xx or 5xx", ["feed", "reason"])
DEAD_LETTERED = Counter("zhishu_dead_lettered_messages", "Messages written to deadletter", ["feed", "stage", "reason"])
LAST_ACCEPTED = Gauge("zhishu_last_accepted_timestamp_seconds", "When a feed's message was last accepted", ["feed"])
LAST_READ = Gauge(
    "zhishu_last_read_timestamp_seconds",
    "When a pull channel's source last answered; of several devices the one that is silent longest",
    ["channel"],
)

ASSEMBLED = Counter(
    "zhishu_assembled_messages",
    "Single messages that began a report (first), were added to one (further), or were known already (again)",
    ["feed", "part"],
)
DECIDED = Counter("zhishu_decided_reports", "Reports decided by the worker", ["feed"])
REPLAYED = Counter("zhishu_replayed_reports", "Reports that were the very same upstream message again", ["feed"])
LINKED = Counter("zhishu_linked_reports", "Reports linked to a known matter", ["feed", "relation"])
REVIEWED = Counter("zhishu_review_reports", "Reports that a person is asked to compare with a matter", ["feed"])
CHANGED = Counter("zhishu_changes", "What steps and rulings changed in matters and cases", ["change"])
ROUTED = Counter("zhishu_routed_reports", "Reports routed to an agency", ["feed", "level"])
MANUAL = Counter("zhishu_manual_reports", "Reports left to the manual queue", ["feed", "reason"])
ALERTED = Counter("zhishu_raised_alerts", "Alerts raised by streams and supervision", ["rule"])
ALERTS_CLEARED = Counter("zhishu_cleared_alerts", "Alerts that supervision cleared", ["rule"])
ALERTS_STANDING = Gauge(
    "zhishu_standing_alerts", "Alerts of supervision (督办, 未诉先办) that hold now", ["rule", "severity"]
)
LAST_SUPERVISED = Gauge(
    "zhishu_last_supervised_timestamp_seconds", "When supervision last compared the figures with what it told"
)
LISTS_RELOADED = Counter(
    "zhishu_reloaded_lists",
    "Times the responsibility list changed on disk, by what came of it (taken, refused)",
    ["result"],
)
MODELS_RELOADED = Counter(
    "zhishu_reloaded_models",
    "Changed model files of the profile: taken, or refused and the one from before kept",
    ["result"],
)
UNKNOWN_YEAR = Gauge(
    "zhishu_calendar_unknown_year",
    "1 for a year whose working days were asked for and stand neither in the holiday calendar nor in calendar.csv",
    ["year"],
)
STATE_REPORTS = Gauge("zhishu_state_reports", "Reports held in the matching state of this worker")
EARLY_STEPS = Gauge("zhishu_early_steps", "Steps of cases that are kept for reports which have not come yet")

STORED = Counter("zhishu_stored_rows", "Rows ClickHouse acknowledged", ["table"])
STORE_ERRORS = Counter(
    "zhishu_store_errors", "Inserts that failed and are tried again, by ClickHouse error code", ["table", "code"]
)
LAST_STORED = Gauge("zhishu_last_stored_timestamp_seconds", "When a table last took rows", ["table"])

SCHEMA_DRIFT = Gauge(
    "zhishu_schema_drift",
    "Things in the schema of ClickHouse that are not as this release makes them; looked at hourly",
)

LAG_RECORDS = Gauge("zhishu_lag_records", "Records not yet done, by stage and topic", ["stage", "topic"])
LAG_SECONDS = Gauge(
    "zhishu_lag_seconds", "Age of the oldest record not yet done, by stage and topic", ["stage", "topic"]
)
BROKER_TO_ROW = Histogram(
    "zhishu_broker_to_row_seconds", "From Kafka's timestamp to the stored row", ["table"], buckets=_LATENCY_BUCKETS
)
SOURCE_TO_ROW = Histogram(
    "zhishu_source_to_row_seconds",
    "From the source's own time to the stored row",
    ["table"],
    buckets=(*_LATENCY_BUCKETS, 86400),
)

OVERDUE = Gauge("zhishu_overdue_cases", "Open cases past their due time")
OPEN = Gauge("zhishu_open_cases", "Cases routed and not yet closed")
BUILD = Gauge("zhishu_build_info", "1, labelled with the version and the process's role", ["version", "role"])


def expose(role: str, version: str, feeds: Iterable[str]) -> None:
    """Creates a process's counters at 0: `increase()` in a rule can't see the first value of a series that appears later."""
    BUILD.labels(version=version, role=role).set(1)
    stage = {"gateway": "connector", "reader": "connector", "worker": "worker", "sink": "sink"}.get(role)
    for feed in feeds:
        if stage:
            for reason in REASON_CODES:
                DEAD_LETTERED.labels(feed, stage, reason)
        if stage == "connector":
            for reason in REASON_CODES:
                REFUSED.labels(feed, reason)
        if role == "worker":
            DECIDED.labels(feed)
            for reason in ("no_kind", "no_row", "no_area", "unsure"):
                MANUAL.labels(feed, reason)
    if role == "worker":
        for result in ("taken", "refused"):
            LISTS_RELOADED.labels(result)
            MODELS_RELOADED.labels(result)
        for rule in ("mass_appeal", "emergency", "ping_pong", "hot_spot", "unusual_day", "new_topic"):
            ALERTED.labels(rule)
