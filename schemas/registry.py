"""Schema ids and texts: from the files of this package, or from an external registry that speaks Confluent's REST interface.

The hub's own ids are fixed by the files, so that every process on every machine knows them without asking:
`1000 * (place of the subject in SUBJECTS + 1) + version`. An external registry hands out its own ids.
"""

import json
import urllib.error
import urllib.request
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit, urlunsplit

from schemas.records import SUBJECTS, Subject

_FOLDER: Final = Path(__file__).parent
_IDS_PER_SUBJECT: Final = 1000

Schema = dict[str, Any]


class UnknownSchemaError(LookupError):
    """No schema has this id."""


class RegistryError(RuntimeError):
    """The external registry did not answer, or refused."""


@cache
def versions(subject: Subject) -> tuple[int, ...]:
    """Versions on file of a subject, oldest first."""
    found = sorted(int(path.stem.removeprefix("v")) for path in (_FOLDER / subject).glob("v*.avsc"))
    if found != list(range(1, len(found) + 1)) or not found:
        raise RuntimeError(f"schemas/{subject} must hold v1.avsc, v2.avsc, ... without a gap; it holds {found}")
    return tuple(found)


@cache
def schema_text(subject: Subject, version: int) -> str:
    """Text of the `.avsc` file."""
    return (_FOLDER / subject / f"v{version}.avsc").read_text(encoding="utf-8")


def schema(subject: Subject, version: int | None = None) -> Schema:
    """Parsed JSON of a version; the newest when none is given."""
    return cast(Schema, json.loads(schema_text(subject, version or versions(subject)[-1])))


def registered_name(subject: Subject) -> str:
    """Subject name in a registry: the record's full name (RecordNameStrategy), since one schema serves many topics."""
    body = schema(subject)
    return f"{body['namespace']}.{body['name']}"


def schema_id(subject: Subject, version: int) -> int:
    """The hub's own id of a version."""
    return _IDS_PER_SUBJECT * (SUBJECTS.index(subject) + 1) + version


class Registry(Protocol):
    """What the codec needs to know of a registry."""

    def id_for(self, subject: Subject) -> int:
        """Id under which the newest version of a subject is written."""
        ...

    def schema_for(self, schema_id: int) -> Schema:
        """Schema with this id; raises UnknownSchemaError."""
        ...


class FileRegistry:
    """The schemas of this package under the hub's own ids."""

    def __init__(self) -> None:
        self._by_id = {schema_id(s, v): schema(s, v) for s in SUBJECTS for v in versions(s)}

    def id_for(self, subject: Subject) -> int:
        """Id of the newest version of a subject."""
        return schema_id(subject, versions(subject)[-1])

    def schema_for(self, schema_id: int) -> Schema:
        """Schema with this id; raises UnknownSchemaError."""
        try:
            return self._by_id[schema_id]
        except KeyError:
            raise UnknownSchemaError(
                f"no schema has the id {schema_id}; the hub's registry endpoint lists its own"
            ) from None


class HttpRegistry:
    """An external registry; registers the files' newest versions at first use and remembers every answer.

    `url` may carry user:password@. Raises RegistryError when the registry does not answer or refuses.
    """

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        self._headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        if parts.username:
            token = b64encode(f"{parts.username}:{parts.password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
        host = parts.hostname or ""
        netloc = f"{host}:{parts.port}" if parts.port else host
        if parts.scheme not in {"http", "https"} or not host:
            raise RegistryError("the schema registry's URL must begin with http:// or https:// and name a host")
        self._url = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
        self._timeout = timeout
        self._ids: dict[Subject, int] = {}
        self._schemas: dict[int, Schema] = {}

    def _call(self, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked above
            self._url + path, json.dumps(body).encode() if body else None, self._headers
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                return cast(dict[str, Any], json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise UnknownSchemaError(f"the schema registry knows nothing at {path}") from None
            raise RegistryError(
                f"the schema registry answered {error.code} to {path}; check ZHISHU_REGISTRY_URL and its compatibility mode"
            ) from None
        except OSError as error:
            raise RegistryError(f"the schema registry did not answer ({error}); check ZHISHU_REGISTRY_URL") from None

    def id_for(self, subject: Subject) -> int:
        """Id of the newest version on file, registered if it was not yet."""
        if subject not in self._ids:
            text = schema_text(subject, versions(subject)[-1])
            answer = self._call(f"/subjects/{registered_name(subject)}/versions", {"schema": text})
            self._ids[subject] = int(answer["id"])
        return self._ids[subject]

    def schema_for(self, schema_id: int) -> Schema:
        """Schema with this id; raises UnknownSchemaError."""
        if schema_id not in self._schemas:
            self._schemas[schema_id] = json.loads(self._call(f"/schemas/ids/{schema_id}")["schema"])
        return self._schemas[schema_id]


def open_registry(url: str | None) -> Registry:
    """The external registry when a URL is given, else the files."""
    return HttpRegistry(url) if url else FileRegistry()
