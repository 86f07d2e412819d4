"""What to do about an insert that failed: a table of ClickHouse's error codes, and of the client's own exceptions.

Codes: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
"""

import struct
from enum import Enum
from typing import Final

from clickhouse_connect.driver.exceptions import DatabaseError, DataError, OperationalError


class Verdict(Enum):
    """What becomes of the batch."""

    RETRY = "retry"  # the same batch again, later
    SPLIT = "split"  # too large for one insert: as two
    INVALID = "invalid"  # a row of it is at fault: find it, dead-letter it, store the others
    FATAL = "fatal"  # no batch will pass before a person acted: end the process


class SinkError(RuntimeError):
    """The sink can't go on; the message says what to do. Holds no text of ClickHouse's, which quotes row values."""


#: ClickHouse is overloaded, restarting or short of something: it passes.
_RETRY: Final = {
    3,  # UNEXPECTED_END_OF_FILE: the connection broke
    74,  # CANNOT_READ_FROM_FILE_DESCRIPTOR
    76,  # CANNOT_OPEN_FILE
    107,  # FILE_DOESNT_EXIST
    159,  # TIMEOUT_EXCEEDED
    164,  # READONLY: a replica without its keeper
    170,  # BAD_GET: a table being altered
    198,  # DNS_ERROR
    202,  # TOO_MANY_SIMULTANEOUS_QUERIES
    203,  # NO_FREE_CONNECTION
    209,  # SOCKET_TIMEOUT
    210,  # NETWORK_ERROR
    225,  # NO_ZOOKEEPER
    236,  # ABORTED: shutting down
    241,  # MEMORY_LIMIT_EXCEEDED
    242,  # TABLE_IS_READ_ONLY
    243,  # NOT_ENOUGH_SPACE
    252,  # TOO_MANY_PARTS; a batch is of one table partition, so this is back-pressure
    285,  # TOO_FEW_LIVE_REPLICAS
    286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    289,  # REPLICA_IS_NOT_IN_QUORUM: it is behind what was acknowledged
    319,  # UNKNOWN_STATUS_OF_INSERT: the token makes the same batch harmless
    373,  # SESSION_IS_LOCKED
    394,  # QUERY_WAS_CANCELLED
    425,  # SYSTEM_ERROR
    439,  # CANNOT_SCHEDULE_TASK
    999,  # KEEPER_EXCEPTION
}
_SPLIT: Final = {
    158,  # TOO_MANY_ROWS
    307,  # TOO_MANY_BYTES
    396,  # TOO_MANY_ROWS_OR_BYTES
}
_INVALID: Final = {
    6,  # CANNOT_PARSE_TEXT
    26,  # CANNOT_PARSE_QUOTED_STRING
    27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
    41,  # CANNOT_PARSE_DATETIME
    53,  # TYPE_MISMATCH
    69,  # ARGUMENT_OUT_OF_BOUND
    70,  # CANNOT_CONVERT_TYPE
    117,  # INCORRECT_DATA
    128,  # TOO_LARGE_ARRAY_SIZE
    131,  # TOO_LARGE_STRING_SIZE
    321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    469,  # VIOLATED_CONSTRAINT
    691,  # UNKNOWN_ELEMENT_OF_ENUM
}
#: What clickhouse-connect raises while it writes a value that is not of the column's type.
_CLIENT_REFUSES: Final = (DataError, TypeError, ValueError, OverflowError, AttributeError, struct.error)


def verdict(error: Exception) -> tuple[Verdict, str]:
    """What to do, and a bounded code for metrics: ClickHouse's number, `connection`, `value` or `unknown`."""
    if isinstance(error, DatabaseError) and error.code is not None:
        for codes, found in ((_RETRY, Verdict.RETRY), (_SPLIT, Verdict.SPLIT), (_INVALID, Verdict.INVALID)):
            if error.code in codes:
                return found, str(error.code)
        return Verdict.FATAL, str(error.code)
    if isinstance(error, _CLIENT_REFUSES):
        return Verdict.INVALID, "value"
    # A DatabaseError without a code comes from something before ClickHouse: a proxy, a port not yet open.
    if isinstance(error, OperationalError | OSError) or type(error) is DatabaseError:
        return Verdict.RETRY, "connection"
    return Verdict.FATAL, "unknown"
