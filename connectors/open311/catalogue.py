"""What can be asked for through Open311: the classes of the channel's table, or the hub's own kinds of matter."""

from dataclasses import dataclass
from typing import Any, Final

from connectors import kinds
from connectors.errors import Refusal
from profiles import Channel, Profile

_SPECIFICATION: Final = "http://wiki.open311.org/GeoReport_v2"
#: When this server's answers last changed their shape.
_CHANGED: Final = "2026-11-22T00:00:00Z"
#: Constant of a channel: which kind of its table's codes are services.
_KIND: Final = "kind"
_DEFAULT_KIND: Final = "appeal"


@dataclass(frozen=True, slots=True)
class Service:
    """An entry of `GET services`. `kind_code`: whole key city/table/kind/code, None for a kind of matter."""

    code: str
    name: str
    group: str
    keywords: tuple[str, ...]
    matter: str
    kind_code: str | None


def services(profile: Profile, channel: Channel) -> dict[str, Service]:
    """By code, in the profile's order: of kinds.csv where the channel names a table, else matters.csv."""
    if not channel.table:
        return {
            matter.kind: Service(matter.kind, matter.name_zh, matter.family, matter.keywords, matter.kind, None)
            for matter in profile.matters.values()
        }
    wanted = (profile.city, channel.table, channel.constants.get(_KIND, _DEFAULT_KIND))
    found: dict[str, Service] = {}
    for (*table, code), (matter_kind, name) in profile.kinds.items():
        if tuple(table) == wanted:
            matter = profile.matters.get(matter_kind)
            group, keywords = (matter.family, matter.keywords) if matter else ("", ())
            found[code] = Service(code, name, group, keywords, matter_kind, "/".join((*wanted, code)))
    return found


def service_of(profile: Profile, channel: Channel, code: str) -> kinds.Kind:
    """The kind that a request's service_code means; raises Refusal (unknown_code)."""
    if channel.table:
        return kinds.by_code(profile, channel.table, channel.constants.get(_KIND, _DEFAULT_KIND), code, "service_code")
    matter = profile.matters.get(code)
    if matter is None:
        raise Refusal("unknown_code", "service_code: is no service here; GET services lists them")
    return kinds.Kind(None, matter.kind, matter.name_zh)


def listed(service: Service) -> dict[str, Any]:
    """An entry of `GET services`."""
    return {
        "service_code": service.code,
        "service_name": service.name,
        "description": service.name,
        "metadata": True,
        "type": "realtime",
        "keywords": ",".join(service.keywords),
        "group": service.group,
    }


def definition(code: str, id_attribute: str) -> dict[str, Any]:
    """A service definition: no service asks for more than the client's own number, which FixMyStreet then fills by itself."""
    attribute = {
        "variable": True,
        "code": id_attribute,
        "datatype": "string",
        "required": False,
        "datatype_description": "1 to 64 characters without white space",
        "order": 1,
        "description": "Your own number of the request: sent again with it, the request is the same one",
        "values": [],
    }
    return {"service_code": code, "attributes": [attribute]}


def discovery(url: str) -> dict[str, Any]:
    """The service discovery document. url: of the endpoint."""
    endpoint = {
        "specification": _SPECIFICATION,
        "url": url,
        "changeset": _CHANGED,
        "type": "production",
        "formats": ["text/xml", "application/json"],
    }
    return {
        "changeset": _CHANGED,
        "contact": "The operator of this hub",
        "key_service": "The operator of this hub gives each client its api_key.",
        "endpoints": [endpoint],
    }
