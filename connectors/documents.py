"""What describes the gateway: /openapi.json, /asyncapi.json, and /docs, a page of the same for a reader."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

import orjson
from aiohttp import web

#: Methods of an operation, in the order in which they are shown.
METHODS: Final = ("get", "post", "put", "delete")
#: How a proof is called on the page, by the first of its security schemes.
_PROOFS: Final = {
    "hmacTime": "HMAC signature",
    "digest": "HTTP digest",
    "mutualTLS": "client certificate",
    "wechatTimestamp": "WeChat's signature",
    "apiKey": "api_key",
}
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --soft: #8882; --quiet: #777; --accent: #1f6feb; }}
body {{ font: 16px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; margin: 0 auto; max-width: 62rem; padding: 2rem 1rem; }}
h1 {{ font-size: 1.6rem; margin: 0 0 .5rem; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; }}
article {{ border-top: 1px solid var(--line); padding: .7rem 0; }}
h3 {{ align-items: baseline; display: flex; flex-wrap: wrap; font-size: 1rem; gap: .2rem .7rem; margin: 0; }}
h3 b {{ color: var(--accent); font: 600 .8rem/1.4 ui-monospace, monospace; width: 2.6rem; }}
code, pre {{ font-family: ui-monospace, monospace; font-size: .9rem; overflow-wrap: anywhere; }}
p {{ margin: .2rem 0; }}
.quiet {{ color: var(--quiet); font-size: .9rem; }}
summary {{ cursor: pointer; font-size: .9rem; padding: .2rem 0; }}
pre {{ background: var(--soft); border-radius: .4rem; margin: .3rem 0; padding: .7rem; white-space: pre-wrap; }}
dl {{ display: grid; gap: .1rem 1rem; grid-template-columns: max-content 1fr; margin: .3rem 0 .8rem; }}
dt {{ font: .9rem/1.5 ui-monospace, monospace; }}
dd {{ font-size: .9rem; margin: 0; }}
@media (max-width: 40rem) {{ dl {{ display: block; }} dd {{ margin: 0 0 .4rem 1rem; }} }}
</style></head>
<body>
<h1>{title} {version}</h1>
<p>{description}</p>
<p>For programs: <a href="/openapi.json">OpenAPI 3.1</a> (HTTP), <a href="/asyncapi.json">AsyncAPI 3.0</a> (Kafka).</p>
{operations}
</body></html>
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
    """A page that shows every operation of an OpenAPI document, by tag. It loads nothing from anywhere."""
    info = {name: escape(str(openapi["info"][name])) for name in ("title", "version", "description")}
    return _PAGE.format(operations="\n".join(_tags(openapi)), **info)


def _tags(openapi: Mapping[str, Any]) -> Iterator[str]:
    schemas = openapi["components"]["schemas"]
    tag = ""
    for path, item in openapi["paths"].items():
        for method in METHODS:
            if (operation := item.get(method)) is None:
                continue
            if operation["tags"][0] != tag:
                tag = operation["tags"][0]
                yield f"<h2>{escape(tag)}</h2>"
            yield _operation(method, path, operation, schemas)


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    proofs = [_PROOFS.get(next(iter(one), ""), "none") for one in operation.get("security", [])]
    facts = [", ".join(content), f"proof: {' or '.join(proofs)}" if proofs else ""]
    what, quiet = escape(operation.get("description", "")), escape(" · ".join(filter(None, facts)))
    name = "" if operation["summary"] == path else escape(operation["summary"])
    kinds = schemas.get(operation["tags"][0], {}) if content else {}
    return (
        f"<article><h3><b>{method.upper()}</b><code>{escape(path)}</code> {name}</h3>"
        f'<p>{what}</p><p class="quiet">{quiet}</p>{"".join(_fields(kinds, schemas))}{"".join(_examples(content))}</article>'
    )


def _fields(kinds: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    """The fields of each kind of message with their other spellings, those that must be given first."""
    for one in kinds.get("anyOf", ()):
        name = one.get("$ref", "").rpartition("/")[2]
        shape = schemas.get(name, {})
        needed = {choice["required"][0] for all_of in shape.get("allOf", ()) for choice in all_of["anyOf"]}
        needed |= set(shape.get("required", ()))
        fields = shape.get("properties", {})
        others = {other for says in fields.values() for other in says.get("x-spellings", ())}
        own = sorted((field for field in fields if field not in others), key=lambda field: field not in needed)
        shown = "".join(_field(field, fields[field], field in needed) for field in own)
        kind = escape(name.rpartition(".")[2])
        yield f"<details><summary>Fields of <code>{kind}</code> (* must be given)</summary><dl>{shown}</dl></details>"


def _field(name: str, says: Mapping[str, Any], needed: bool) -> str:
    also = ", ".join(says.get("x-spellings", ()))
    what = " · ".join(filter(None, (says.get("description", ""), also and f"or {also}")))
    return f"<dt>{escape(name)}{' *' if needed else ''}</dt><dd>{escape(what) or '—'}</dd>"


def _examples(content: Mapping[str, Any]) -> Iterator[str]:
    for media in content.values():
        for example in media.get("examples", {}).values():
            value = example["value"]
            text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
            yield f"<details><summary>{escape(example['summary'])}</summary><pre>{escape(text)}</pre></details>"
