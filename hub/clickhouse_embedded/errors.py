"""ClickHouse's errors as its HTTP interface shows them: code, name, text, and the HTTP status each code stands for."""

import re
from typing import Self

# The engine may wrap an error into one of the same text: "Code: 27. DB::Exception: Code: 27. ... (NAME) (version x). (NAME)".
_ERROR = re.compile(r"\bCode: (\d+)\. DB::Exception: (?:Code: \d+\. DB::Exception: )*(.*)", re.DOTALL)
_NAME = re.compile(
    r"(?:\([A-Z][A-Z0-9_]+\)\s*\(version [^)]*\)\.\s*)*\(([A-Z][A-Z0-9_]+)\)\s*(?:\(version [^)]*\)\s*)?$"
)
_VERSION = re.compile(r"\s*\(version [^)]*\)\s*$")

# A server's table of statuses, by ClickHouse's codes. Five codes have another status here, by what HTTP means with it:
# 516 is 401 (a server: 403), 164 is 403, and a bad parameter or a damaged body (456, 457, 33) is 400 (a server: 500).
# Clients go by the code in the header, not by the status.
_STATUS = {
    # Can't be parsed, is of the wrong type, out of range, or a parameter is missing or bad.
    400: (6, 8, 15, 25, 26, 27, 33, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123)  # noqa: RUF005 -- one line is too long
    + (167, 168, 223, 321, 376, 427, 441, 456, 457, 675, 676),
    401: (194, 516),  # no credentials, wrong credentials
    403: (164, 192, 193, 497, 512),  # read only, unknown user, wrong password, access denied, role not granted
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),  # an unknown table, column, function, setting, ...
    408: (159,),  # out of time
    413: (229, 307),  # the query or the body is too large
    415: (779,),  # unsupported media type
    501: (48,),  # not implemented
    503: (76, 209, 439),  # can't open a file, socket timeout, can't schedule a task
}
_STATUS_OF = {code: status for status, codes in _STATUS.items() for code in codes}


class ClickHouseError(Exception):
    """An error with ClickHouse's code and name, raised by the engine or by a check before it."""

    def __init__(self, code: int, name: str, text: str) -> None:
        """``code`` and ``name`` are a pair of ClickHouse's list (62, "SYNTAX_ERROR"); ``text`` is for a person."""
        super().__init__(f"Code: {code}. DB::Exception: {text} ({name})")
        self.code = code
        self.name = name
        self.text = text

    @classmethod
    def of_engine(cls, error: BaseException) -> Self:
        """Read what chDB raised; text that is no ClickHouse error becomes code 1002 (UNKNOWN_EXCEPTION)."""
        # Where the error quotes bytes that are not UTF-8, chDB fails to build its exception and raises this one.
        raw = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)
        found = _ERROR.search(raw)
        if found is None:
            return cls(1002, "UNKNOWN_EXCEPTION", raw.strip() or type(error).__name__)
        text = found[2].strip()
        name = _NAME.search(text)
        if name is not None:
            text = text[: name.start()].rstrip()
        return cls(int(found[1]), name[1] if name else "UNKNOWN_EXCEPTION", _VERSION.sub("", text))

    @property
    def status(self) -> int:
        """The HTTP status of this error; 500 for what is neither the query's nor the client's fault."""
        return _STATUS_OF.get(self.code, 500)

    def body(self, version: str) -> bytes:
        """Return the text of the answer, as a server writes it."""
        return f"{self} (version {version})\n".encode(errors="replace")
