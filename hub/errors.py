"""The errors whose message is meant for the person at the terminal."""

import sys

#: (module, class): looked up only in modules that a command has imported, so that help stays instant.
_EXPECTED = (
    ("hub.endpoints", "EndpointError"),
    ("hub.secrets", "SecretsError"),
    ("sinks.access", "AccessError"),
    ("sinks.city", "CityError"),
    ("hub.tls", "TlsError"),
    ("hub.up", "UpError"),
    ("hub.reader", "ReaderError"),
    ("hub.play", "PlayError"),
    ("hub.deadletters", "ReplayError"),
    ("hub.review", "ReviewError"),
    ("hub.explain", "ExplainError"),
    ("hub.unseal", "UnsealError"),
    ("kafka.errors", "KafkaError"),
    ("hub.kafka_admin", "TopicError"),
    ("hub.process", "DirLockedError"),
    ("hub.kafka_embedded", "EmbeddedKafkaError"),
    ("hub.clickhouse_embedded.child", "EmbeddedClickHouseError"),
    ("hub.tables", "TableError"),
    ("hub.train", "TrainingError"),
    ("streams.classify", "ModelError"),
    ("profiles", "ProfileError"),
    ("schemas.registry", "RegistryError"),
    ("sinks.migrate", "MigrationError"),
    ("sinks.errors", "SinkError"),
    ("streams.worker", "WorkerError"),
    ("pydantic", "ValidationError"),
)


def expected_errors() -> tuple[type[Exception], ...]:
    """Those of the modules imported so far."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _EXPECTED)
    return tuple(error for error in found if error is not None)
