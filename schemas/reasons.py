"""The bounded codes of why a message was refused or dead-lettered: the same words in answers, letters and metrics."""

from typing import Final, Literal, get_args

ReasonCode = Literal[
    "bad_signature",  # signature, key or time of the request is wrong
    "too_large",  # body over the channel's limit
    "too_many_records",  # batch over the limit
    "bad_encoding",  # bytes are not the text they claim to be
    "bad_json",
    "bad_xml",
    "forbidden_xml",  # DTD or entity in XML
    "unsupported_type",  # a message type this feed does not take
    "missing_field",
    "bad_field",  # wrong type or shape
    "field_too_long",
    "bad_time",  # unreadable, or outside the years the hub takes
    "bad_location",  # 0,0, out of range, or an unknown coordinate system
    "unknown_code",  # class, area or status code the profile does not know
    "forbidden_class",  # e.g. 110 classes that must never leave 110
    "unknown_channel",
    "unknown_report",  # no report of this channel has the id (yet)
    "rate_limited",  # more than the channel may send now: wait, then send the same again
    "unavailable",  # Kafka did not acknowledge in time: send again
    "bad_wire_format",  # Kafka value is not in the Confluent wire format
    "unknown_schema",
    "bad_record",  # Avro decoded, but the record breaks the contract
    "unmasked",  # a record from outside the connectors holds readable personal data
    "store_refused",  # ClickHouse refuses this very row
]

REASON_CODES: Final[tuple[str, ...]] = get_args(ReasonCode)
