"""Hot spots, unusual days and new topics: told once when they begin, once when they have fallen."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.flows import SurgeRules
from streams.surge import Surge, Surges
from tests.streams.make import DAY, HOUR, MINUTE, START, UNHURRIED

PLACE = "370212001003"
RULES = SurgeRules(persons=3, hours=2, sigmas=3, at_least=6, topic_persons=3, topic_hours=24)
SPOTS = RULES.model_copy(update={"at_least": 1000})  # no day is unusual


def marks(surges: list[Surge]) -> list[tuple[str, bool]]:
    return [(surge.rule, surge.cleared_at is None) for surge in surges]


def test_k_distinct_persons_within_the_hours_are_a_hot_spot_once() -> None:
    surges = Surges(SPOTS)
    told = [surges.seen("noise", PLACE, f"p{n % 2}", f"r{n}", START + n * MINUTE) for n in range(4)]
    assert told == [[], [], [], []]
    (surge,) = surges.seen("noise", PLACE, "p2", "r4", START + 5 * MINUTE)
    assert surge == Surge("hot_spot", ("noise", PLACE), START + 5 * MINUTE, None, 3.0, 3.0, ("r2", "r3", "r4"))
    assert surges.seen("noise", PLACE, "p3", "r5", START + 6 * MINUTE) == []


def test_other_kinds_other_places_and_unknown_persons_make_no_hot_spot() -> None:
    surges = Surges(SPOTS)
    surges.seen("noise", PLACE, "p0", "r0", START)
    surges.seen("noise", PLACE, "p1", "r1", START)
    assert surges.seen("noise", "370212001001", "p2", "r2", START) == []
    assert surges.seen("garbage", PLACE, "p2", "r3", START) == []
    assert surges.seen("noise", PLACE, None, "r4", START) == []


def test_persons_too_far_apart_in_time_make_no_hot_spot() -> None:
    surges = Surges(SPOTS)
    for n in range(20):
        assert surges.seen("noise", PLACE, f"p{n}", f"r{n}", START + n * HOUR) == []


def test_a_hot_spot_ends_when_time_has_passed_even_if_the_report_is_about_something_else() -> None:
    surges = Surges(SPOTS)
    for n in range(3):
        begun = surges.seen("noise", PLACE, f"p{n}", f"r{n}", START + n * MINUTE)
    assert marks(begun) == [("hot_spot", True)]
    assert surges.seen("garbage", "elsewhere", "x", "r8", START + HOUR) == []
    (ended,) = surges.seen("garbage", "elsewhere", "x", "r9", START + 2 * HOUR)
    assert ended == begun[0]._replace(cleared_at=START + 2 * HOUR)
    again = [surges.seen("noise", PLACE, f"p{n}", f"q{n}", START + 9 * HOUR) for n in range(3)]
    assert [marks(found) for found in again] == [[], [], [("hot_spot", True)]]


def _weeks(surges: Surges, a_day: int) -> None:
    """Four weeks of the same weekday with so many reports, one an hour, by one person."""
    for week in range(4, 0, -1):
        for hour in range(a_day):
            surges.seen("heating", PLACE, "p", f"w{week}-{hour}", START - week * 7 * DAY - hour * HOUR)


@pytest.mark.parametrize(("before", "enough"), [(0, 6), (1, 6), (5, 8), (20, 23)])
def test_a_day_that_stands_out_of_the_same_weekday_of_four_weeks_is_unusual(before: int, enough: int) -> None:
    surges = Surges(RULES)
    _weeks(surges, before)
    told = [surges.seen("heating", PLACE, None, f"r{n}", START) for n in range(enough + 3)]
    assert [marks(found) for found in told] == [
        [("unusual_day", True)] if n == enough - 1 else [] for n in range(enough + 3)
    ]


def test_other_weekdays_do_not_count_as_usual() -> None:
    surges = Surges(RULES)
    for week in range(4, 0, -1):
        for n in range(20):
            surges.seen("heating", PLACE, "p", f"w{week}-{n}", START - week * 7 * DAY + 2 * DAY)
    told = [surges.seen("heating", PLACE, None, f"r{n}", START + 7 * HOUR) for n in range(6)]
    assert marks(told[-1]) == [("unusual_day", True)]


def test_a_matter_of_no_known_kind_that_grows_is_a_new_topic() -> None:
    surges = Surges(RULES)
    assert surges.grown("m1", "p0", "r0", START) == []
    assert surges.grown("m1", "p1", "r1", START + 20 * HOUR) == []
    assert surges.grown("m2", "p2", "r2", START + 21 * HOUR) == []
    assert surges.grown("m1", "p2", "r3", START + 25 * HOUR) == []  # the first is a day old
    (surge,) = surges.grown("m1", "p3", "r4", START + 26 * HOUR)
    assert (surge.rule, surge.subject, surge.report_ids) == ("new_topic", ("", "m1"), ("r1", "r3", "r4"))


def test_memory_is_bounded_and_what_is_forgotten_has_ended() -> None:
    surges = Surges(RULES, most_keys=10)
    for n in range(3):
        begun = surges.seen("noise", PLACE, f"p{n}", f"r{n}", START)
    told = [end for n in range(50) for end in surges.seen("noise", f"place{n}", "p", f"s{n}", START)]
    assert len(surges) == 10
    assert told == [begun[0]._replace(cleared_at=START)]
    for n in range(100_000 // 20):
        surges.seen("noise", PLACE, f"x{n}", f"t{n}", START + n)
    spot = surges._spots["noise", PLACE]
    assert len(spot.persons) <= 2 * RULES.persons + 20


events = st.lists(
    st.tuples(
        st.sampled_from(["noise", "heating", ""]),
        st.sampled_from("ab"),
        st.sampled_from("pqrst"),
        st.integers(0, 40 * 24),
    ),
    max_size=80,
)


@UNHURRIED
@given(events)
def test_every_onset_ends_before_the_next_one_and_the_same_log_tells_the_same(
    log: list[tuple[str, str, str, int]],
) -> None:
    def run() -> list[Surge]:
        surges, told = Surges(RULES), []
        for number, (kind, place, person, hour) in enumerate(log):
            at = START + hour * HOUR
            told += (
                surges.seen(kind, place, person, str(number), at)
                if kind
                else surges.grown(place, person, str(number), at)
            )
        return told

    told = run()
    assert told == run()
    active: dict[tuple[str, tuple[str, str]], Surge] = {}
    for surge in told:
        key = (surge.rule, surge.subject)
        if surge.cleared_at is None:
            assert key not in active
            assert surge.value >= surge.threshold
            active[key] = surge
        else:
            assert active.pop(key)._replace(cleared_at=surge.cleared_at) == surge
            assert surge.cleared_at >= surge.raised_at


def test_a_quiet_year_of_chance_raises_few_unusual_days() -> None:
    """Poisson-like noise of two a day must not cry wolf: at_least and sigmas together."""
    draw, surges, told = random.Random(5), Surges(SurgeRules()), []  # noqa: S311 - a test's chance
    for day in range(365):
        for number in range(draw.choice((0, 1, 2, 2, 3, 4))):
            told += surges.seen("noise", PLACE, f"p{day}-{number}", f"r{day}-{number}", START + day * DAY + number)
    assert told == []
