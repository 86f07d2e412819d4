"""What happens to a report besides its row of the list: its flow, posts of a dispute, words of danger, rules of cases.

flows.toml, posts.csv, disputes.csv, emergencies.csv and the tables [matching], [routing], [cases], [surge] of profile.toml.
All of them may be absent; then the defaults hold, and there are no posts and no words of danger.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from profiles.duties import parse_limit
from profiles.files import ProfileError, gather, one_of, read_toml, several

FlowCode = Literal["livelihood", "development", "enforcement", "dispute", "case", "alarm", "consult"]
#: 常态岗, 专业岗, 社会岗 of 一核八翼; industry: the boards of trades beside them.
PostGroup = Literal["standing", "professional", "social", "industry"]
Approval = Literal["street_political_legal"]
EmergencyNumber = Literal["110", "119", "120"]
#: Words of emergencies.csv that take back what a word of danger says; now: takes that back.
Cue = Literal["harmless", "negation", "past", "resolved", "now"]
#: Steps of schemas/progress.
Step = Literal[
    "accept",
    "register",
    "dispatch",
    "sign",
    "respond",
    "handle",
    "feedback",
    "revisit",
    "close",
    "rate",
    "return",
    "redispatch",
    "extend",
    "redo",
    "verify",
    "check",
    "rework",
    "suspend",
    "resume",
    "collect",
    "object",
    "supplement",
    "supervise",
    "cancel",
]
Clock = Literal["keep", "restart"]
BundleClock = Literal["own", "earliest", "first"]


@dataclass(frozen=True)
class Flow:
    """流程. steps: of its life, in order. closing, reopening: which end a case (办结) and open it again.

    rating: steps by which the person rates it (结案 needs one of them, or time); empty: closed is finished.
    """

    code: FlowCode
    name_zh: str
    name_en: str
    steps: tuple[Step, ...]
    closing: frozenset[Step]
    reopening: frozenset[Step]
    rating: frozenset[Step]


@dataclass(frozen=True)
class Post:
    """One of the eight posts (一核八翼), or a trade's board; `agency` sends its people."""

    code: str
    name_zh: str
    name_en: str
    group: PostGroup
    agency: str


@dataclass(frozen=True)
class DisputeType:
    """A type of dispute: the posts, or the boards, that take it, and whose approval that needs."""

    code: str
    name_zh: str
    name_en: str
    posts: tuple[str, ...]
    approval: Approval | None


@dataclass(frozen=True)
class Danger:
    """Words that tell danger to life, the number to tell at once, and words in whose company they do not."""

    number: EmergencyNumber
    words: tuple[str, ...]
    unless: tuple[str, ...]


@dataclass(frozen=True)
class Emergencies:
    """Words of danger, the more urgent first, and the cues for all of them."""

    dangers: tuple[Danger, ...] = ()
    cues: Mapping[Cue, tuple[str, ...]] = field(default_factory=dict)


def _term(text: str) -> str:
    try:
        return parse_limit("", "it", text).text
    except ProfileError as error:
        raise ValueError(str(error).removeprefix(": ")) from None


#: A time limit as in the list, `2 work_day`.
Term = Annotated[str, AfterValidator(_term)]


class RulesTable(BaseModel):
    """A table of limits in profile.toml: what is not given has its default, and a key that nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Matching(RulesTable):
    """[matching]. Scores from which a report is linked, and from which a person is asked; minutes of an episode."""

    link: float = Field(0.47, gt=0, le=1)
    review: float = Field(0.4, gt=0, le=1)
    episode_minutes: float = Field(10, gt=0, le=1440)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.review > self.link:
            raise ValueError("review must not be above link: a person is asked about what is less sure than a link")
        return self


class RoutingRules(RulesTable):
    """[routing]. top_agency: who has what nobody below can take. sea_agency: who has what happens on the water.

    home_port_street: the street of reports at sea that name none. urgent_kinds: urgent whatever the source says.
    leader_words: 诉求渠道 that tell a leader's call.
    """

    top_agency: str = ""
    sea_agency: str = ""
    home_port_street: str = ""
    urgent_kinds: tuple[str, ...] = ()
    leader_words: tuple[str, ...] = ("leader_call", "领导坐班接听", "领导接听", "领导批示", "领导交办")


class ClassifierFile(RulesTable):
    """[classifier]. file: the model that tells kinds where a source and keywords do not, in the profile's folder; empty: none."""

    file: str = ""


class CaseRules(RulesTable):
    """[cases]. return_within: a return (退单) later than so long after dispatch has no effect.

    return_clock, reopen_clock: whether a return within its limit, and 重办, start the time limit anew. reassignments: so many
    changes of the agency stop as 循环交办. rating_timeout_days: 办结 becomes 结案 so many days later if nobody rates.
    extension_at_most: longest extension after the due time; empty: any. bundle_clock: due time of bundled cases (捆绑计时).
    """

    return_within: Term = "2 work_day"
    return_clock: Clock = "keep"
    reopen_clock: Clock = "restart"
    reassignments: int = Field(3, ge=2, le=20)
    rating_timeout_days: float = Field(7, gt=0, le=366)
    extension_at_most: Term | Literal[""] = ""
    bundle_clock: BundleClock = "own"


class SurgeRules(RulesTable):
    """[surge]. persons, hours: so many distinct persons on one kind at one place within so many hours are a hot spot.

    sigmas, at_least: or so many reports within 24 h, when that is so far above the same weekday of the four weeks before.
    topic_persons, topic_hours: so many persons on a matter of no known kind are a new topic.
    """

    persons: int = Field(8, ge=2, le=1000)
    hours: float = Field(6, gt=0, le=168)
    sigmas: float = Field(3, gt=0, le=20)
    at_least: int = Field(10, ge=2, le=100_000)
    topic_persons: int = Field(4, ge=2, le=1000)
    topic_hours: float = Field(72, gt=0, le=720)


_Rules = TypeVar("_Rules", bound=RulesTable)


def read_rules(main: Mapping[str, Any], table: str, rules: type[_Rules]) -> _Rules:
    """A table of profile.toml; the defaults where there is none. Raises ProfileError, which names table and keys."""
    given = main.get(table, {})
    if not isinstance(given, dict):
        raise ProfileError(f"profile.toml: {table} must be a table, [{table}]")
    try:
        return rules.model_validate(given)
    except ValidationError as error:
        told = (
            f"{'.'.join(map(str, found['loc']))} ".lstrip()
            + ("is no key of it; correct or remove it" if found["type"] == "extra_forbidden" else found["msg"])
            for found in error.errors(include_input=False, include_url=False)
        )
        raise ProfileError(f"profile.toml, [{table}]: {'; '.join(told)}") from None


def check_rules(
    rules: RoutingRules, agencies: Collection[str], streets: Collection[str], kinds: Collection[str]
) -> None:
    """That [routing] names what the profile has; raises ProfileError."""
    for key, code in (("top_agency", rules.top_agency), ("sea_agency", rules.sea_agency)):
        if code and code not in agencies:
            raise ProfileError(f"profile.toml, [routing]: {key}: agencies.csv has no agency {code}")
    if rules.home_port_street and rules.home_port_street not in streets:
        raise ProfileError(
            f"profile.toml, [routing]: home_port_street: places.csv has no street {rules.home_port_street}"
        )
    if unknown := set(rules.urgent_kinds) - set(kinds):
        raise ProfileError(f"profile.toml, [routing]: urgent_kinds: matters.csv has no {', '.join(sorted(unknown))}")


_COMMON: Final[tuple[Step, ...]] = (
    "accept",
    "dispatch",
    "sign",
    "respond",
    "handle",
    "feedback",
    "revisit",
    "close",
    "rate",
)
_REOPENING: Final[frozenset[Step]] = frozenset(("redo", "rework", "resume"))
_FLOW_KEYS: Final = frozenset(("name_zh", "name_en", "steps", "closing", "reopening", "rating"))


def _default_flow(code: FlowCode) -> Flow:
    rated: frozenset[Step] = frozenset(("rate", "revisit"))
    none: frozenset[Step] = frozenset()
    ratings = none if code in ("case", "alarm", "consult") else rated
    return Flow(code, code, code, _COMMON, frozenset(("close", "cancel")), _REOPENING, ratings)


def load_flows(path: Path) -> dict[FlowCode, Flow]:
    """All flows: those of the file, and defaults for the rest; raises ProfileError, which names flow and key."""
    flows = {code: _default_flow(code) for code in get_args(FlowCode)}
    if not path.is_file():
        return flows
    for code, entry in read_toml(path).items():
        where = f"{path.name}, [{code}]"
        base = next((flow for flow in flows.values() if flow.code == code), None)
        if base is None:
            raise ProfileError(f"{where}: a flow must be one of {', '.join(flows)}")
        if not isinstance(entry, dict) or set(entry) - _FLOW_KEYS:
            raise ProfileError(f"{where}: must be a table with the keys {', '.join(sorted(_FLOW_KEYS))}")
        steps = _steps(where, "steps", entry.get("steps", list(base.steps)))
        flows[base.code] = Flow(
            base.code,
            str(entry.get("name_zh", code)),
            str(entry.get("name_en", code)),
            steps,
            frozenset(_steps(where, "closing", entry.get("closing", sorted(base.closing)))),
            frozenset(_steps(where, "reopening", entry.get("reopening", sorted(base.reopening)))),
            frozenset(_steps(where, "rating", entry.get("rating", sorted(base.rating)))),
        )
        if not flows[base.code].closing:
            raise ProfileError(f"{where}: closing must hold at least one step, or no case would ever end")
    return flows


def _steps(where: str, key: str, given: Any) -> tuple[Step, ...]:
    known = get_args(Step)
    if not isinstance(given, list) or any(step not in known for step in given) or len(set(given)) != len(given):
        raise ProfileError(f"{where}: {key} must be a list of different steps out of {', '.join(known)}")
    return tuple(given)


def load_posts(path: Path, agencies: Collection[str]) -> dict[str, Post]:
    """Posts and boards by code; raises ProfileError."""
    seen: dict[str, int] = {}

    def read(line: int, row: dict[str, str]) -> Post:
        where = f"{path.name}, line {line}"
        if not row["code"] or seen.setdefault(row["code"], line) != line:
            raise ProfileError(f"{where}: code must be given, and stand in no other line")
        if row["agency"] not in agencies:
            raise ProfileError(f"{where}: agencies.csv has no agency {row['agency']}")
        group = one_of(path, line, "group", row["group"], get_args(PostGroup))
        return Post(row["code"], row["name_zh"], row["name_en"], group, row["agency"])

    if not path.is_file():
        return {}
    return {post.code: post for post in gather(path, ("code", "name_zh", "name_en", "group", "agency"), read)}


def load_disputes(path: Path, posts: Mapping[str, Post]) -> dict[str, DisputeType]:
    """Types of disputes by code; raises ProfileError."""
    seen: dict[str, int] = {}

    def read(line: int, row: dict[str, str]) -> DisputeType:
        where = f"{path.name}, line {line}"
        if not row["dispute"] or seen.setdefault(row["dispute"], line) != line:
            raise ProfileError(f"{where}: dispute must be given, and stand in no other line")
        named = several(row["posts"])
        if unknown := [code for code in named if code not in posts]:
            raise ProfileError(f"{where}: posts.csv has no {', '.join(unknown)}")
        if not named or len({posts[code].group == "industry" for code in named}) != 1 or len(set(named)) != len(named):
            raise ProfileError(f"{where}: posts must hold posts or boards, at least one, not both, none of them twice")
        approval = one_of(path, line, "approval", row["approval"], ("", *get_args(Approval))) or None
        return DisputeType(row["dispute"], row["name_zh"], row["name_en"], named, approval)

    if not path.is_file():
        return {}
    found = gather(path, ("dispute", "name_zh", "name_en", "posts", "approval"), read)
    return {dispute.code: dispute for dispute in found}


def load_emergencies(path: Path) -> Emergencies:
    """Words of danger; raises ProfileError."""

    def read(line: int, row: dict[str, str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        allowed = (*get_args(EmergencyNumber), *get_args(Cue))
        words = several(row["words"])
        if not words:
            raise ProfileError(f"{path.name}, line {line}: words must hold at least one word")
        return one_of(path, line, "number", row["number"], allowed), words, several(row["unless"])

    if not path.is_file():
        return Emergencies((), {})
    dangers: list[Danger] = []
    cues: dict[Cue, tuple[str, ...]] = {}
    for number, words, unless in gather(path, ("number", "words", "unless"), read):
        if number in get_args(EmergencyNumber):
            dangers.append(Danger(number, words, unless))  # type: ignore[arg-type]
        else:
            cue: Cue = number  # type: ignore[assignment]
            cues[cue] = cues.get(cue, ()) + words
    return Emergencies(tuple(dangers), cues)
