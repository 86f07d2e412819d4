"""`[channel.source]` of channels.toml: where a pull feed is read from. Passwords and DSNs are in the secrets file."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from profiles.files import ProfileError

#: Protocols whose messages are flat objects: what a table's or a sheet's row can be.
ROW_PROTOCOLS: Final = frozenset(("hotline12345", "police110", "citymgmt", "aibox", "canonical"))
_PROTOCOLS: Final[dict[str, frozenset[str]]] = {
    "sql": ROW_PROTOCOLS,
    "files": ROW_PROTOCOLS,
    "hikvision": frozenset(("hikvision",)),
    "dahua": frozenset(("dahua",)),
    "open311": frozenset(("canonical",)),
}
#: Where pydantic's own words do not say what to do.
_WORDS: Final = {
    "extra_forbidden": "is no key of this kind of source; correct or remove it",
    "missing": "must be given",
    "string_pattern_mismatch": "must be a plain name, without quotes and brackets",
    "union_tag_not_found": f"kind must be given, one of {', '.join(_PROTOCOLS)}",
    "union_tag_invalid": f"kind must be one of {', '.join(_PROTOCOLS)}",
}
_NAME: Final = r"[^\x00-\x1f\"`\[\].]"
_FINGERPRINT: Final = re.compile(r"(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}", re.IGNORECASE)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("must be an IANA name such as Asia/Shanghai") from None
    return name


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+(?:/[^\s?#]*)?", value):
        raise ValueError("must be http(s)://host[:port][/path], without user, password and query")
    return value.rstrip("/")


def _fingerprint(value: str) -> str:
    if value and not _FINGERPRINT.fullmatch(value):
        raise ValueError("must be the SHA-256 of the certificate, 64 hex digits")
    return value.replace(":", "").lower()


Zone = Annotated[str, AfterValidator(_zone)]
Url = Annotated[str, AfterValidator(_url)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
Column = Annotated[str, Field(pattern=rf"^{_NAME}{{0,128}}$")]


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Polled(_Source):
    """every_s: seconds from the end of one pass to the next. batch: most records taken at once."""

    every_s: float = Field(30, gt=0, le=900)
    batch: int = Field(500, ge=1, le=10_000)


class SqlSource(_Polled):
    """A table, view or query of a relational database (前置库).

    key: a column that is never null and never twice. clock: the column that rises whenever a row is written; empty: none,
    rows are read in the order of `key`. clock_format: empty for a real date-and-time column; "epoch_s" or "epoch_ms" for
    numbers; else the strptime pattern of a text column whose text sorts by time. zone: of times without one; empty: the
    profile's. lag_s: so many last seconds are read again in each pass, since rows may be committed late; lag_rows: the same
    for rows that have no clock. timeout_s: of one statement.
    """

    kind: Literal["sql"]
    table: str = Field("", pattern=rf"^(?:{_NAME}{{1,128}}\.)?{_NAME}{{0,128}}$")
    query: str = ""
    key: Annotated[Column, Field(min_length=1)]
    clock: Column = ""
    clock_format: str = ""
    zone: Zone = ""
    lag_s: float = Field(600, ge=0, le=7 * 86_400)
    lag_rows: int = Field(1_000, ge=0, le=10_000)
    timeout_s: float = Field(30, gt=0, le=600)

    @model_validator(mode="after")
    def _one_origin(self) -> "SqlSource":
        if bool(self.table) == bool(self.query):
            raise ValueError("give either table or query")
        if self.clock_format and not self.clock:
            raise ValueError("clock_format goes with clock")
        return self


class FilesSource(_Polled):
    """A folder into which .xlsx, .xls, .ods and .csv files are dropped; a relative path is meant in the data folder.

    columns: names the header must have (of a header of two rows: "upper/lower"); empty: the header is recognised.
    header_row: its line, counted from 1; 0: found. header_rows: how many lines it has; 0: found. sheets: names of the
    sheets to read; empty: every visible one. ignore: columns that are not read.
    """

    kind: Literal["files"]
    every_s: float = Field(10, gt=0, le=900)
    folder: Path
    columns: tuple[str, ...] = ()
    header_row: int = Field(0, ge=0, le=1_000)
    header_rows: int = Field(0, ge=0, le=3)
    sheets: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    max_file_bytes: int = Field(128 * 1024 * 1024, ge=1, le=1024 * 1024 * 1024)


class _Stream(_Source):
    """devices: register's name of each device -> its address. user: of HTTP digest. silence_s: a stream without a byte for so
    long is connected anew. certificate: SHA-256 of the device's own certificate, for https; empty: a public one.
    """

    devices: dict[Annotated[str, Field(min_length=1, max_length=64)], Url] = Field(min_length=1, max_length=1_000)
    user: str = Field(min_length=1, max_length=64)
    every_s: float = Field(1, gt=0, le=3_600, description="pause before a stream that ended is connected anew")
    certificate: Fingerprint = ""


class HikvisionSource(_Stream):
    """Alert streams of Hikvision devices (`/ISAPI/Event/notification/alertStream`)."""

    kind: Literal["hikvision"]
    silence_s: float = Field(60, ge=1, le=3_600)


class DahuaSource(_Stream):
    """Event streams of Dahua devices (`eventManager.cgi?action=attach`). codes: events asked for."""

    kind: Literal["dahua"]
    codes: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")], ...] = ("All",)
    heartbeat_s: int = Field(5, ge=1, le=60)
    silence_s: float = Field(30, ge=1, le=3_600)


class Open311Source(_Polled):
    """A GeoReport v2 server that is polled.

    since: first day asked for; none: `lookback_days` ago. lookback_days: requests so old are asked for again every
    `refresh_s`, to see what became of them. overlap_s: how far each pass goes back for requests that showed late. window_days:
    longest span of one question (the protocol allows 90). limit: answers of so many requests are taken for cut off, and asked
    again in halves. page_size: for servers that answer in pages; 0: pages are not asked for. zone: of times without one.
    """

    kind: Literal["open311"]
    url: Url
    every_s: float = Field(300, gt=0, le=900)
    format: Literal["auto", "json", "xml"] = "auto"
    jurisdiction_id: str = ""
    since: date | None = None
    lookback_days: int = Field(90, ge=1, le=365)
    refresh_s: float = Field(3_600, ge=0, le=7 * 86_400)
    overlap_s: float = Field(3_600, ge=0, le=7 * 86_400)
    window_days: float = Field(7, gt=0, le=90)
    limit: int = Field(1_000, ge=2, le=10_000)
    page_size: int = Field(0, ge=0, le=1_000)
    zone: Zone = ""
    timeout_s: float = Field(60, gt=0, le=600)


#: What channels of this kind are read with that declare no mapping of their own.
OPEN311_MAPPING: Final = Path(__file__).parent / "mappings" / "open311.toml"

Source = SqlSource | FilesSource | HikvisionSource | DahuaSource | Open311Source
_READ: Final[TypeAdapter[Source]] = TypeAdapter(Annotated[Source, Field(discriminator="kind")])


def read_source(where: str, entry: dict[str, Any], protocol: str, max_records: int) -> Source:
    """The source of a channel; raises ProfileError, which names channel and key."""
    try:
        source = _READ.validate_python(entry)
    except ValidationError as error:
        told = "; ".join(_told(dict(found)) for found in error.errors(include_input=False, include_url=False))
        raise ProfileError(f"{where}: {told}") from None
    if protocol not in _PROTOCOLS[source.kind]:
        raise ProfileError(
            f"{where}: source.kind {source.kind} goes with the protocol {', '.join(sorted(_PROTOCOLS[source.kind]))}"
        )
    if isinstance(source, _Polled) and source.batch > max_records:
        raise ProfileError(f"{where}: source.batch is above the channel's max_records ({max_records})")
    return source


def _told(found: dict[str, Any]) -> str:
    """One of pydantic's findings; the first part of its path is the source's kind, which is no key of the file."""
    path = [str(part) for part in found["loc"][1:]]
    return f"{'.'.join(['source', *path])}: {_WORDS.get(found['type'], found['msg'].removeprefix('Value error, '))}"
