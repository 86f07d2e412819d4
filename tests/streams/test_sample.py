"""The links on the made-up sample are its truth but for a few, in whatever order its reports arrive."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.base import Context
from connectors.bodies import Broken
from connectors.places import Places
from connectors.privacy import Privacy, SealKey
from connectors.registry import CONNECTORS
from hub.evaluate import pairwise
from profiles.sample import write_sample
from schemas.records import Report
from streams.decide import Decider, Origin
from streams.state import PartitionState
from tests.streams.make import PROFILE

_LATER = 1_800_000_000_000  # received: after all of it was reported


def _read(folder: Path) -> Iterator[Report]:
    privacy, places = Privacy(b"k" * 32, {"test": SealKey(b"s" * 32)}, "test"), Places(PROFILE)
    for channel in PROFILE.channels.values():
        connector = CONNECTORS[channel.protocol]
        context = Context(PROFILE, channel, privacy, places, ZoneInfo(PROFILE.timezone), _LATER)
        for file in sorted(folder.glob(f"*/{channel.id}.*")):
            if "progress" in file.name:
                continue
            json = file.suffix == ".ndjson"
            for body in [file.read_bytes()] if json else file.read_bytes().splitlines():
                for item in connector.parse(body, "application/x-ndjson" if json else "application/xml", context).items:
                    assert not isinstance(item, Broken)
                    record = connector.normalise(item, context)
                    if record is not None and record[0] == "report":
                        yield record[1]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Report], dict[str, str], dict[str, str]]:
    """Reports, and matter and relation by upstream id."""
    folder = tmp_path_factory.mktemp("sample") / "year"
    write_sample(PROFILE, folder, seed=7, reports=2500)
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    matters = {row["upstream_id"]: row["matter"] for row in rows}
    assert len(set(matters.values())) < len(matters), "no repeats: the test would show nothing"
    return list(_read(folder)), matters, {row["upstream_id"]: row["relation"] for row in rows}


def _decide(reports: list[Report]) -> dict[str, tuple[str, str]]:
    """Matter and relation of each report that is no replay and no alarm."""
    decider, states, found = Decider(PROFILE), {}, {}
    for offset, report in enumerate(reports):
        state = states.setdefault(report["place_key"], PartitionState())
        decision = decider.decide(state, report, Origin(f"intake.{report['feed']}", 0, offset))
        state.apply(decision.routed, decision.facts)
        if decision.routed["outcome"] == "routed" and report["appeal_type"] != "alarm":
            found[report["upstream_id"]] = decision.routed["matter_id"], decision.routed["relation"]
    return found


def test_in_order_of_time_nearly_every_pair_and_every_relation_is_the_truth(
    sample: tuple[list[Report], dict[str, str], dict[str, str]],
) -> None:
    reports, matters, relations = sample
    found = _decide(sorted(reports, key=lambda r: r["reported_at"]))
    assert found.keys() == matters.keys()
    told = [relation == relations[name] for name, (_, relation) in found.items()]
    assert sum(told) >= 0.98 * len(told)
    figures = pairwise(matters, {name: matter for name, (matter, _) in found.items()})
    assert figures["precision"] >= 0.95
    assert figures["recall"] >= 0.98


def test_in_another_order_within_the_memory_the_matters_are_nearly_the_same(
    sample: tuple[list[Report], dict[str, str], dict[str, str]],
) -> None:
    reports, matters, _ = sample
    draw = random.Random(5)  # noqa: S311
    late = sorted(reports, key=lambda r: r["reported_at"] + draw.randrange(30 * 24 * 3600 * 1000))
    figures = pairwise(matters, {name: matter for name, (matter, _) in _decide(late).items()})
    assert figures["precision"] >= 0.9
    assert figures["recall"] >= 0.9
