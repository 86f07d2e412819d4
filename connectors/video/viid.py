"""What GA/T 1400.4 has below /VIID/: addresses, kinds of objects, and their description. gat1400.py reads and answers them."""

from collections.abc import Callable
from typing import Any, Final

from connectors.documents import METHODS

Json = dict[str, Any]

NOTICE: Final = "DispositionNotification"
#: Calls about the link itself, by the last part of their address.
CALLS: Final = frozenset(("Register", "UnRegister", "Keepalive"))
#: What would have the hub work for others: it serves no subscriptions and no watch lists.
NOT_SERVED: Final = frozenset(("Subscribe", "Disposition"))
_CAPTURES: Final = (
    *(
        "Face",
        "Person",
        "MotorVehicle",
        "NonMotorVehicle",
        "Thing",
        "Scene",
        "Image",
        "VideoSlice",
        "File",
        "VideoLabel",
    ),
    "Case",
)
#: Kinds by their lower-case names, as senders vary: what is counted and dropped. Any other kind is refused, not swallowed.
DROPPED: Final = frozenset(
    (
        *(kind.lower() for kind in (*_CAPTURES, *CALLS, *NOT_SERVED)),
        *("subscribenotification", "ape", "aps", "apestatus", "apsstatus", "tollgate", "lane"),
        *("responsestatus", "systemtime", ""),
    )
)
#: Addresses that platforms call: method, and what becomes of what is sent there.
ADDRESSES: Final[dict[str, tuple[str, str]]] = {
    "System/Register": ("post", "A platform says that it is here: counted and answered"),
    "System/UnRegister": ("post", "A platform takes its leave: counted and answered"),
    "System/Keepalive": ("post", "A platform is alive: counted and answered"),
    "System/Time": ("get", "The hub's time, as a SystemTimeObject"),
    f"{NOTICE}s": ("post", "Alarms: each object becomes a report"),
    "SubscribeNotifications": ("post", "What was subscribed to: counted and dropped"),
    **{f"{kind}s": ("post", "Captures: counted and dropped") for kind in _CAPTURES},
    **{f"{kind}s": ("post", "Not served: answered 4 InvalidOperation") for kind in sorted(NOT_SERVED)},
}
_ELSEWHERE: Final = (
    "Any other address: objects are read by their kind; a body without any is answered 4 InvalidOperation"
)
_BELOW: Final = "The same as /VIID/ for this channel, whatever its proof"


def viid_paths(channel: str, operation: Json, content: Callable[[str], Json]) -> Json:
    """OpenAPI paths: the addresses that the standard fixes, where the digest user names the channel, and those below the
    channel's own. operation: of the channel's address; content: a request's by what follows the first slash.
    """

    def described(method: str, name: str, what: str, tail: str, **more: Any) -> Json:
        told = {key: value for key, value in operation.items() if key != "requestBody"}
        body = {"requestBody": {"content": content(tail)}} if method in ("post", "put") else {}
        return {method: told | {"operationId": name, "summary": what} | more | body}

    def all_methods(name: str, what: str, part: str, **more: Any) -> Json:
        given: Json = {"parameters": [_part(part)], **more}
        return {
            key: one for verb in METHODS for key, one in described(verb, f"{name}.{verb}", what, "", **given).items()
        }

    fixed: Json = {"security": [{"digest": []}]}
    own = f"/intake/{channel}/VIID"
    return {
        **{
            f"/VIID/{address}": described(method, f"viid.{address.replace('/', '.')}", what, f"VIID/{address}", **fixed)
            for address, (method, what) in ADDRESSES.items()
        },
        "/VIID/{resource}": all_methods("viid", _ELSEWHERE, "resource", **fixed),
        f"{own}/{{resource}}": all_methods(f"send.{channel}.viid", _BELOW, "resource"),
        f"{own}/System/{{call}}": all_methods(f"send.{channel}.viid.system", _BELOW, "call"),
    }


def _part(name: str) -> Json:
    """A parameter that is one part of the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9]{1,64}$"},
    }
