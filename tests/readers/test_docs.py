"""The examples of the pull feeds' pages work as they stand."""

import asyncio
import csv
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from connectors.readers.database import Database
from connectors.readers.drops import FilesOrigin
from connectors.readers.sql import SqlOrigin
from profiles import Channel
from profiles.sources import FilesSource, SqlSource
from tests.readers.parts import PROFILE, Kept, channel, reader
from tests.readers.postgres import dsn

FEEDS = Path(__file__).parents[2] / "docs" / "feeds"
PAGES = {"sql": "sql", "files": "files", "event-streams": "dahua", "open311-client": "open311"}


def example(page: str, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", (FEEDS / f"{page}.md").read_text("utf-8"), re.DOTALL)
    return found


def declared(page: str, tmp_path: Path) -> Channel:
    return channel(tmp_path, example(page, "toml"))


@pytest.mark.parametrize("page", PAGES)
def test_the_channel_of_a_page_loads(page: str, tmp_path: Path) -> None:
    found = declared(page, tmp_path)
    assert found.source is not None
    assert found.source.kind == PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_every_key_of_its_source(page: str, tmp_path: Path) -> None:
    source = declared(page, tmp_path).source
    assert source is not None
    text = (FEEDS / f"{page}.md").read_text("utf-8")
    assert [name for name in type(source).model_fields if name != "kind" and f"`{name}`" not in text] == []


def test_the_table_of_the_page_is_read(
    tmp_path: Path, pg: psycopg.Connection, postgres_folder: Path, database: str, kept: Kept
) -> None:
    pg.execute(example("sql", "sql"))
    one = declared("sql", tmp_path)
    assert isinstance(one.source, SqlSource)
    address = dsn(postgres_folder, database).replace("zhishu@", "hub_reader@")
    origin = SqlOrigin(one.id, one.source, ZoneInfo(PROFILE.timezone), Database(address, "made-up", 10))
    asyncio.run(reader(one, origin, kept, tmp_path / "cursors").pass_once())
    assert kept.letters() == []
    (report,) = kept.reports()
    assert (report["upstream_id"], report["appeal_type"]) == ("250912101108115409", "complaint")
    assert report["reporter_mask"] == "154****0000"


def test_the_file_of_the_page_is_read(tmp_path: Path, kept: Kept) -> None:
    one = declared("files", tmp_path)
    assert isinstance(one.source, FilesSource)
    folder = tmp_path / one.source.folder
    folder.mkdir(parents=True)
    (folder / "九月.csv").write_text(example("files", "csv"), encoding="gbk")
    read = reader(one, FilesOrigin(one.id, one.source, tmp_path), kept, tmp_path / "cursors")
    for _ in range(2):
        asyncio.run(read.pass_once())
    with (folder / "done" / "九月.csv.outcome.csv").open(encoding="utf-8-sig", newline="") as file:
        told = [(row["row"], row["status"]) for row in csv.DictReader(file)]
    assert told == [("4", "accepted"), ("5", "accepted"), ("6", "refused")]
    assert kept.ids() == ["250912101108115409", "250912101108115410"]
    assert kept.reports()[0]["reporter_mask"] == "154****0000"
