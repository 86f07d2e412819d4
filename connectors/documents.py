"""What describes the gateway: /openapi.json, /asyncapi.json, and /docs, a plain page of the same for a reader."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

import orjson
from aiohttp import web

_METHODS: Final = ("get", "post", "put", "delete")
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ border-bottom: 1px solid #ccc; padding: .4rem .6rem; text-align: left; vertical-align: top; }}
code {{ white-space: nowrap; }}
</style>
<h1>{title} {version}</h1>
<p>{description}</p>
<p>For programs: <a href="/openapi.json">OpenAPI 3.1</a> (HTTP), <a href="/asyncapi.json">AsyncAPI 3.0</a> (Kafka).</p>
<table><thead><tr><th>Method</th><th>Address</th><th>What</th><th>Proof</th><th>Sends</th></tr></thead>
<tbody>
{rows}
</tbody></table>
</html>
"""


def document_routes(openapi: Mapping[str, Any], asyncapi: Mapping[str, Any]) -> list[web.RouteDef]:
    """Routes that serve the two documents and the page, which are the same as long as the process runs."""
    bodies = {
        "/openapi.json": (orjson.dumps(openapi), "application/json"),
        "/asyncapi.json": (orjson.dumps(asyncapi), "application/json"),
        "/docs": (page(openapi).encode(), "text/html"),
    }

    async def document(request: web.Request) -> web.StreamResponse:
        body, media = bodies[request.path]
        charset = "utf-8" if media == "text/html" else None
        return web.Response(body=body, content_type=media, charset=charset)

    return [web.get(path, document) for path in bodies]


def page(openapi: Mapping[str, Any]) -> str:
    """A page that lists every operation of an OpenAPI document. It loads nothing from anywhere."""
    info = {name: escape(str(openapi["info"][name])) for name in ("title", "version", "description")}
    return _PAGE.format(rows="\n".join(_rows(openapi)), **info)


def _rows(openapi: Mapping[str, Any]) -> Iterator[str]:
    for path, item in openapi["paths"].items():
        for method in _METHODS:
            if operation := item.get(method):
                proofs = " or ".join(" + ".join(one) or "none" for one in operation.get("security", []))
                sends = ", ".join(operation.get("requestBody", {}).get("content", {}))
                what = operation.get("description", "")
                cells = (f"<b>{escape(operation['summary'])}</b> {escape(what)}", escape(proofs), escape(sends))
                address = f"<code>{escape(path)}</code>"
                yield (
                    f"<tr><td>{method.upper()}</td><td>{address}</td>"
                    + "".join(f"<td>{x}</td>" for x in cells)
                    + "</tr>"
                )
