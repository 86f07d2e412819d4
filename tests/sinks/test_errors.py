"""The verdicts: what is tried again, cut in two, dead-lettered, or ends the process."""

import struct

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, DataError, OperationalError, ProgrammingError

from sinks.errors import Verdict, verdict


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DatabaseError("x", code=241), (Verdict.RETRY, "241")),
        (DatabaseError("x", code=252), (Verdict.RETRY, "252")),
        (OperationalError("x", code=159), (Verdict.RETRY, "159")),
        (OperationalError("refused"), (Verdict.RETRY, "connection")),
        (DatabaseError("502 of a proxy"), (Verdict.RETRY, "connection")),
        (ConnectionResetError(), (Verdict.RETRY, "connection")),
        (DatabaseError("x", code=307), (Verdict.SPLIT, "307")),
        (DatabaseError("x", code=469), (Verdict.INVALID, "469")),
        (DatabaseError("x", code=53), (Verdict.INVALID, "53")),
        (DataError("x"), (Verdict.INVALID, "value")),
        (TypeError(), (Verdict.INVALID, "value")),
        (struct.error(), (Verdict.INVALID, "value")),
        (DatabaseError("x", code=516), (Verdict.FATAL, "516")),
        (DatabaseError("x", code=60), (Verdict.FATAL, "60")),
        (DatabaseError("x", code=49), (Verdict.FATAL, "49")),
        (ProgrammingError("x"), (Verdict.FATAL, "unknown")),
        (MemoryError(), (Verdict.FATAL, "unknown")),
    ],
    ids=repr,
)
def test_an_error_has_its_verdict(error: Exception, expected: tuple[Verdict, str]) -> None:
    assert verdict(error) == expected
