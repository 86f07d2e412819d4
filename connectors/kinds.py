"""What a report is about: the hub's kind of matter, by the source's code or by keywords."""

from dataclasses import dataclass

from connectors.errors import Refusal
from profiles import Profile


@dataclass(frozen=True, slots=True)
class Kind:
    """`code`: whole key city/table/kind/code, None when the source gave none. `matter`: the hub's kind, empty when unknown."""

    code: str | None
    matter: str
    name: str


def by_code(profile: Profile, table: str, kind: str, code: str, field: str, city: str = "") -> Kind:
    """The profile's entry for a source's code; raises Refusal (unknown_code). city: the profile's own where not given."""
    city = city or profile.city
    found = profile.kinds.get((city, table, kind, code))
    if found is None:
        raise Refusal("unknown_code", f"{field}: the profile's kinds.csv does not have this code; add it or correct it")
    return Kind(f"{city}/{table}/{kind}/{code}", *found)


def by_name(profile: Profile, table: str, kind: str, name: str) -> Kind | None:
    """The entry of a table whose name is exactly this, where a source names its class and gives no code."""
    for (city, edition, of, code), (matter, known) in profile.kinds.items():
        if known == name and (city, edition, of) == (profile.city, table, kind):
            return Kind(f"{city}/{table}/{kind}/{code}", matter, name)
    return None


def by_keywords(profile: Profile, text: str) -> Kind:
    """The matter with most keyword hits in the text; ties go to the longest keyword, then to the order of matters.csv."""
    best, best_score = "", (0, 0)
    for matter in profile.matters.values():
        hits = longest = 0
        for keyword in matter.keywords:
            if count := text.count(keyword):
                hits += count
                longest = max(longest, len(keyword))
        if (hits, longest) > best_score:
            best, best_score = matter.kind, (hits, longest)
    return Kind(None, best, "")
