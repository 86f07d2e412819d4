"""Who may read which figures: access.toml of a profile. Passwords are not in it: the secrets file has them by user.

A reader is a user with a role. The role `bi` sees every view of database bi; each other role sees a part of it, the cases of
some agencies or streets, in a database of its own (docs/decisions/0025-access.md).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError, model_validator

from profiles.files import ProfileError, read_toml
from profiles.flows import RulesTable

ACCESS_FILE: Final = "access.toml"
#: The database that readers see, the role that sees all of it, and the user that every deployment has for that.
WHOLE: Final = "bi"

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
#: Users of the hub itself, made elsewhere.
_TAKEN: Final = frozenset((WHOLE, "hub", "default", "gateway"))


class Limits(RulesTable):
    """What one query may use: seconds, rows of its result, MiB of memory; and queries in an hour, 0 for any number.

    Clients list the engine's settings when they connect (some 2,000 rows), so that there is a least number of rows.
    """

    seconds: int = Field(30, ge=1, le=3600)
    result_rows: int = Field(1_000_000, ge=10_000)
    memory_mib: int = Field(1024, ge=16)
    queries_per_hour: int = Field(0, ge=0)


class Part(RulesTable):
    """A role: the cases that one of `agencies` has (主办单位), in one of `streets`; where one list is empty, the other decides.

    `limits` holds all limits of the role: those of the file's [limits] stand where its own table leaves one out.
    """

    agencies: tuple[str, ...] = ()
    streets: tuple[str, ...] = ()
    limits: Limits = Limits()


class User(RulesTable):
    """A user and its role: one of the file's, or `bi`."""

    role: str


@dataclass(frozen=True)
class Reader:
    """What a user of ClickHouse may do: take one role of the engine, read one database, within limits."""

    role: str
    database: str
    limits: Limits


class SecuritySpec(RulesTable):
    """The whole of access.toml; an empty one has the user `bi` alone."""

    limits: Limits = Limits()
    role: dict[str, Part] = Field(default_factory=dict)
    user: dict[str, User] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _with_general_limits(cls, given: Any) -> Any:
        general = given.get("limits", {}) if isinstance(given, dict) else {}
        roles = given.get("role", {}) if isinstance(given, dict) else {}
        if not isinstance(general, dict) or not isinstance(roles, dict):
            return given
        own = {
            name: {**part, "limits": {**general, **part.get("limits", {})}} if isinstance(part, dict) else part
            for name, part in roles.items()
        }
        return {**given, "role": own}

    @model_validator(mode="after")
    def _names_fit(self) -> "SecuritySpec":
        for kind, names in (("role", self.role), ("user", self.user)):
            for name in names:
                if not _NAME.fullmatch(name) or name in _TAKEN or name == "reader" or name.endswith("_reader"):
                    raise ValueError(
                        f"{kind} {name!r}: take small letters, digits and _, 31 at most; reader, names that end in "
                        f"_reader and {', '.join(sorted(_TAKEN))} are taken"
                    )
        for name, part in self.role.items():
            if not part.agencies and not part.streets:
                raise ValueError(f"role {name!r}: give it agencies or streets; who may see all has the role {WHOLE!r}")
        for name, user in self.user.items():
            if user.role != WHOLE and user.role not in self.role:
                raise ValueError(f"user {name!r}: there is no role of this name")
        return self

    def readers(self) -> dict[str, Reader]:
        """Every user with its rights, `bi` first."""
        roles = {WHOLE: user_role(WHOLE, self.limits)}
        roles |= {name: user_role(name, part.limits) for name, part in self.role.items()}
        return {WHOLE: roles[WHOLE], **{name: roles[user.role] for name, user in self.user.items()}}

    def roles(self) -> dict[str, Reader]:
        """Every role with its rights by the name the engine knows it by, that of `bi` first."""
        found = [user_role(WHOLE, self.limits), *(user_role(name, part.limits) for name, part in self.role.items())]
        return {one.role: one for one in found}


def role_database(name: str) -> str:
    """The database that holds the views of a role of the file."""
    return WHOLE if name == WHOLE else f"{WHOLE}_{name}"


def user_role(name: str, limits: Limits) -> Reader:
    """What users with this role of the file may do."""
    database = role_database(name)
    return Reader(f"{database}_reader", database, limits)


def load_access(path: Path, agencies: Collection[str], streets: Collection[str]) -> SecuritySpec:
    """Reads and checks access.toml; one without roles where there is no file. Raises ProfileError."""
    if not path.exists():
        return SecuritySpec()
    try:
        found = SecuritySpec.model_validate(read_toml(path))
    except ValidationError as error:
        told = (
            f"{'.'.join(map(str, one['loc']))} ".lstrip()
            + ("is no key of this file; correct or remove it" if one["type"] == "extra_forbidden" else one["msg"])
            for one in error.errors(include_input=False, include_url=False)
        )
        raise ProfileError(f"{path.name}: {'; '.join(told)}") from None
    for name, part in found.role.items():
        for what, codes, known in (("agencies.csv", part.agencies, agencies), ("places.csv", part.streets, streets)):
            if unknown := sorted(set(codes) - set(known)):
                raise ProfileError(f"{path.name}, [role.{name}]: {what} has no {', '.join(unknown)}")
    return found
