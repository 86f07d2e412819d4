"""Open311's methods for the OpenAPI document."""

from typing import Any, Final

from connectors.examples import good_examples
from connectors.open311 import FORM, Request, form
from profiles import Profile

Json = dict[str, Any]

ROOT: Final = "/open311/v2"
_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_MAYBE_NUMBER: Final = {"type": ["number", "null"]}
_REQUEST: Final[Json] = {
    **dict.fromkeys(("service_request_id", "service_name", "service_code", "description"), _TEXT),
    "requested_datetime": _MOMENT,
    "updated_datetime": _MOMENT,
    "expected_datetime": {"type": ["string", "null"], "format": "date-time"},
    "status": {"enum": ["open", "closed"]},
    **dict.fromkeys(("status_notes", "agency_responsible", "service_notice", "address"), _MAYBE_TEXT),
    **dict.fromkeys(("address_id", "zipcode", "media_url"), _MAYBE_TEXT),
    **dict.fromkeys(("lat", "long"), _MAYBE_NUMBER),
}
_SERVICE: Final[Json] = {
    **dict.fromkeys(("service_code", "service_name", "description", "keywords", "group"), _TEXT),
    "metadata": {"type": "boolean"},
    "type": {"const": "realtime"},
}
_CREATED: Final[Json] = {"service_request_id": _TEXT, "service_notice": _MAYBE_TEXT, "account_id": {"type": "null"}}
_DEFINITION: Final[Json] = {"service_code": _TEXT, "attributes": {"type": "array", "items": {"type": "object"}}}
_DISCOVERY: Final[Json] = {"changeset": _TEXT, "endpoints": {"type": "array", "items": {"type": "object"}}}
_FILTERS: Final = {
    "service_request_id": "Several, apart by commas; overrides all else",
    "service_code": "Several, apart by commas",
    "start_date": "W3C form, at most 90 days before end_date",
    "end_date": "W3C form",
    "status": "open, closed",
    "page": "From 1 on (extension)",
    "page_size": "At most 1000 (extension)",
}
_ERRORS: Final = {
    400: "The request can't be fulfilled as it is; the description says why",
    403: "The api_key is missing or wrong",
    404: "There is none",
    413: "The form is too large",
    429: "Too much at once; send the same again after Retry-After seconds",
    503: "Nothing was kept, or nothing can be looked up; the same again after Retry-After seconds",
}


def open311_paths(profile: Profile) -> Json:
    """The paths, where the profile has a channel that speaks Open311."""
    channels = [channel.id for channel in profile.channels.values() if channel.protocol == "open311"]
    if not channels:
        return {}
    jurisdiction = _in_query("jurisdiction_id", "Id of the channel", required=len(channels) > 1)
    filters = [_in_query(name, text) for name, text in _FILTERS.items()]
    # Read by all where the channel's constants say `public = "yes"`.
    reading: Json = {"security": [{"apiKey": []}]}
    one, several = [jurisdiction, _in_path("id")], _list(_REQUEST)
    return {
        _at("discovery"): {"get": _method("discovery", "Where the endpoint is", [], _object(_DISCOVERY))},
        _at("services"): {"get": _method("services", "What can be asked for", [jurisdiction], _list(_SERVICE))},
        _at("services/{code}"): {
            "get": _method("service", "What it asks for", [jurisdiction, _in_path("code")], _object(_DEFINITION))
        },
        _at("requests"): {
            "get": _method("requests", "A page of requests", [jurisdiction, *filters], several) | reading,
            "post": _method("createRequest", "A new request", [jurisdiction], _list(_CREATED)) | reading | _form(),
        },
        _at("requests/{id}"): {"get": _method("request", "One request", one, several) | reading},
        _at("tokens/{id}"): {
            "get": _method(
                "token", "The id of a token: itself", one, _list({"service_request_id": _TEXT, "token": _TEXT})
            )
            | reading
        },
    }


def _at(address: str) -> str:
    return f"{ROOT}/{address}.{{notation}}"


def _method(name: str, summary: str, parameters: list[Json], schema: Json) -> Json:
    notation = {"name": "notation", "in": "path", "required": True, "schema": {"enum": ["json", "xml"]}}
    return {
        "operationId": f"open311.{name}",
        "tags": ["open311"],
        "summary": summary,
        "parameters": [notation, *parameters],
        "responses": {"200": {"description": "In the notation asked for", "content": _both(schema)}, **_errors()},
    }


def _both(schema: Json) -> Json:
    return {"application/json": {"schema": schema}, "text/xml": {"schema": _TEXT}}


def _errors() -> Json:
    schema = _list({"code": {"type": "integer"}, "description": _TEXT})
    found: Json = {str(status): {"description": text, "content": _both(schema)} for status, text in _ERRORS.items()}
    for status in ("429", "503"):
        found[status]["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "required": True}}
    return found


def _form() -> Json:
    shape = Request.model_json_schema(by_alias=True)
    # A form has no objects: attributes are fields attribute[code], pictures may be repeated.
    shape["properties"] = {name: value for name, value in shape["properties"].items() if name != "attribute"} | {
        "api_key": _TEXT,
        "attribute[fixmystreet_id]": {"type": "string", "maxLength": 64, "description": "The client's own number"},
    }
    examples = {
        example.file: {"summary": example.title, "value": dict(form(example.body))}
        for example in good_examples("open311")
    }
    return {"requestBody": {"required": True, "content": {FORM: {"schema": shape, "examples": examples}}}}


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _in_query(name: str, text: str, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "description": text, "schema": _TEXT}


def _object(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(properties: Json) -> Json:
    return {"type": "array", "items": _object(properties)}
