"""A read-only schema registry over the files: enough of Confluent's REST interface for any Kafka tool to read our topics."""

import json

from aiohttp import web

from schemas.records import SUBJECTS
from schemas.registry import FileRegistry, UnknownSchemaError, registered_name, schema_id, schema_text, versions

_TYPE = "application/vnd.schemaregistry.v1+json"


def _answer(body: object) -> web.Response:
    return web.Response(text=json.dumps(body, ensure_ascii=False), content_type=_TYPE)


def _missing(code: int, message: str) -> web.Response:
    return web.Response(status=404, text=json.dumps({"error_code": code, "message": message}), content_type=_TYPE)


def registry_routes() -> list[web.RouteDef]:
    """Routes `/schemas/ids/{id}` and `/subjects/...`; writing is refused with 405 by leaving it out."""
    registry = FileRegistry()
    subjects = {registered_name(s): s for s in SUBJECTS}

    async def by_id(request: web.Request) -> web.Response:
        try:
            body = registry.schema_for(int(request.match_info["id"]))
        except UnknownSchemaError:
            return _missing(40403, "Schema not found")
        return _answer({"schema": json.dumps(body, ensure_ascii=False)})

    async def names(_: web.Request) -> web.Response:
        return _answer(sorted(subjects))

    async def numbers(request: web.Request) -> web.Response:
        subject = subjects.get(request.match_info["subject"])
        return _answer(list(versions(subject))) if subject else _missing(40401, "Subject not found")

    async def version(request: web.Request) -> web.Response:
        name, wanted = request.match_info["subject"], request.match_info["version"]
        subject = subjects.get(name)
        if subject is None:
            return _missing(40401, "Subject not found")
        number = versions(subject)[-1] if wanted == "latest" else int(wanted)
        if number not in versions(subject):
            return _missing(40402, "Version not found")
        return _answer(
            {
                "subject": name,
                "version": number,
                "id": schema_id(subject, number),
                "schemaType": "AVRO",
                "schema": schema_text(subject, number),
            }
        )

    return [
        web.get("/schemas/ids/{id:\\d+}", by_id),
        web.get("/subjects", names),
        web.get("/subjects/{subject}/versions", numbers),
        web.get("/subjects/{subject}/versions/{version:\\d+|latest}", version),
    ]
