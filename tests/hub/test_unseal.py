"""The sealed original: opened with the key only, never without a reason, and never without an audit line."""

import json
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.privacy import Privacy, SealKey
from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.endpoints import EndpointError
from hub.secrets import SecretsError, load_secrets
from hub.settings import Settings
from hub.unseal import AUDIT_FILE, UnsealError, unseal
from sinks.batches import split
from sinks.migrate import migrate
from sinks.rows import Origin, routed_rows
from sinks.writer import insert_batch, open_clickhouse
from tests.sinks.records import report, routed

pytestmark = pytest.mark.clickhouse

NAME, PHONE = "甄样本", "13800001234"
BODY = f"来电人{NAME}，{PHONE}".encode()
REASON = "纪检核查，批准单 2025-12"
SECRETS = """
reporter_key = "{key}"
seal_key_id = "seal-2"
[seal_keys.seal-1]
key = "{key}"
[seal_keys.seal-2]
key = "{short}"
algorithm = "SM4-GCM"
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        migrate(open_clickhouse(_url(server)))
        yield server


def _url(engine: EmbeddedClickHouse, user: str = "hub") -> str:
    return engine.url.replace("http://", f"http://{user}:{engine.passwords[user]}@")


@pytest.fixture
def settings(engine: EmbeddedClickHouse, tmp_path: Path) -> Settings:
    secrets = tmp_path / "secrets.toml"
    secrets.touch(mode=0o600)
    secrets.write_text(SECRETS.format(key="5a" * 32, short="5a" * 16))
    return Settings(clickhouse_url=_url(engine), data_dir=tmp_path / "data", secrets=secrets)


@pytest.fixture
def store(engine: EmbeddedClickHouse) -> Callable[..., None]:
    """Stores routed reports as the sink does, into empty tables."""
    client = open_clickhouse(_url(engine))
    for table in ("hub.routed", "hub.sealed_originals"):
        client.command(f"TRUNCATE TABLE {table}")

    def put(*records: Any) -> None:
        rows = [row for n, record in enumerate(records) for row in routed_rows(record, Origin("routed", 0, n, 0))]
        for batch in split("routed", 0, rows, 100):
            insert_batch(client, batch)

    return put


def sealed(settings: Settings, name: str, body: bytes = BODY, key_id: str | None = None, **more: Any) -> Any:
    """A decision on a report named `name`; its original is bound to `bound_to`, its own id where not given."""
    secrets = load_secrets(settings.secrets_file)
    privacy = Privacy(b"k" * 32, secrets.seal_keys, key_id or secrets.seal_key_id)
    bound_to = more.pop("bound_to", f"hotline12345-{name}")
    told = report(name, sealed=privacy.seal(body, bound_to), sealed_key_id=privacy.seal_key_id, **more)
    return routed(told)


def lines(settings: Settings) -> list[dict[str, Any]]:
    path = settings.data_dir / AUDIT_FILE
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_an_original_is_opened_with_its_key_and_the_audit_line_says_who_why_and_with_what(
    settings: Settings, store: Callable[..., None]
) -> None:
    store(sealed(settings, "one"))
    (found,) = unseal(settings, "hotline12345-one", REASON)
    assert found.data == BODY
    (line,) = lines(settings)
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "uid": os.getuid(),
        "report_id": "hotline12345-one",
        "reason": REASON,
        "key_ids": ["seal-2"],
        "outcome": "opened",
    }


def test_the_audit_file_is_its_owners_alone_grows_and_never_holds_what_was_shown(
    settings: Settings, store: Callable[..., None]
) -> None:
    store(sealed(settings, "one"))
    for _ in range(2):
        unseal(settings, "hotline12345-one", REASON)
    path = settings.data_dir / AUDIT_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(lines(settings)) == 2
    assert not any(secret in path.read_text(encoding="utf-8") for secret in (NAME, PHONE))


def test_a_key_of_before_the_rotation_still_opens(settings: Settings, store: Callable[..., None]) -> None:
    store(sealed(settings, "old", key_id="seal-1"))
    (found,) = unseal(settings, "hotline12345-old", REASON)
    assert (found.data, found.key_id) == (BODY, "seal-1")


def test_every_part_of_an_assembled_report_is_opened_once_whichever_id_is_asked_for(
    settings: Settings, store: Callable[..., None]
) -> None:
    parts = ["hotline12345-a", "hotline12345-b"]
    first = sealed(settings, "a", b"first", part_ids=parts[:1])
    second = sealed(
        settings, "a", b"second", part_ids=parts, bound_to=parts[1], reported_at=first["report"]["reported_at"]
    )
    second = {**second, "intake_offset": first["intake_offset"] + 1}
    store(first, second)
    for asked in parts:
        found = unseal(settings, asked, REASON)
        assert [(original.bound_to, original.data) for original in found] == [
            (parts[0], b"first"),
            (parts[1], b"second"),
        ]


@pytest.mark.parametrize("reason", ["", "   ", "x"])
def test_without_a_reason_nothing_is_opened_and_the_try_is_audited(
    settings: Settings, store: Callable[..., None], reason: str
) -> None:
    store(sealed(settings, "one"))
    with pytest.raises(UnsealError, match="--reason"):
        unseal(settings, "hotline12345-one", reason)
    assert [line["outcome"] for line in lines(settings)] == ["no reason"]


def test_without_the_key_nothing_is_opened_and_the_try_is_audited(
    settings: Settings, store: Callable[..., None]
) -> None:
    store(sealed(settings, "one"))
    path = settings.secrets_file
    path.write_text(path.read_text().replace("seal-2", "seal-3"))
    with pytest.raises(UnsealError, match="give the secrets file that has it"):
        unseal(settings, "hotline12345-one", REASON)
    path.unlink()
    with pytest.raises(SecretsError):
        unseal(settings, "hotline12345-one", REASON)
    assert [line["outcome"] for line in lines(settings)] == ["not opened", "failed: SecretsError"]


def test_an_original_of_another_report_does_not_open(settings: Settings, store: Callable[..., None]) -> None:
    store(sealed(settings, "one", bound_to="hotline12345-two"))
    with pytest.raises(UnsealError, match="does not open"):
        unseal(settings, "hotline12345-one", REASON)


def test_unknown_reports_and_a_store_that_is_away_are_told_and_audited(
    settings: Settings, store: Callable[..., None]
) -> None:
    store()
    with pytest.raises(UnsealError, match="no report has this id"):
        unseal(settings, "x' OR 1=1 --\n{}", REASON)
    away = settings.model_copy(update={"clickhouse_url": "http://hub:x@127.0.0.1:1"})
    with pytest.raises(EndpointError):
        unseal(away, "hotline12345-one", REASON)
    assert [line["outcome"] for line in lines(settings)] == ["unknown report", "failed: EndpointError"]


def test_where_the_audit_file_cannot_be_written_nothing_is_shown(
    settings: Settings, store: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sealed(settings, "one"))
    settings.data_dir.mkdir()
    (settings.data_dir / AUDIT_FILE).symlink_to(settings.data_dir / "elsewhere")
    with pytest.raises(UnsealError, match="nothing is shown"):
        unseal(settings, "hotline12345-one", REASON)

    from hub.cli import app

    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["unseal", "hotline12345-one", "--reason", REASON])
    assert isinstance(done.exception, UnsealError)
    assert PHONE not in done.output


def test_the_command_prints_the_bytes_as_they_came(
    settings: Settings, store: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.cli import app

    body = f"来电人{NAME}".encode("gb18030")
    store(sealed(settings, "one", body))
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["unseal", "hotline12345-one", "--reason", REASON])
    assert done.exit_code == 0
    assert body in done.stdout_bytes
    assert lines(settings)[0]["outcome"] == "opened"


def test_an_analyst_reads_no_sealed_original(
    engine: EmbeddedClickHouse, settings: Settings, store: Callable[..., None]
) -> None:
    store(sealed(settings, "one"))
    as_analyst = settings.model_copy(update={"clickhouse_url": _url(engine, "bi")})
    with pytest.raises(Exception, match=r"(?i)privileges|denied"):
        unseal(as_analyst, "hotline12345-one", REASON)
    assert lines(settings)[0]["outcome"].startswith("failed: ")


def test_keys_do_not_show_in_a_repr() -> None:
    assert "5a5a" not in repr(SealKey(b"\x5a" * 32)) + repr(SealKey(b"Z" * 16, "SM4-GCM"))
    assert "ZZZZ" not in repr(SealKey(b"Z" * 16, "SM4-GCM"))
