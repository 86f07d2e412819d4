"""The secrets file: made once, kept from others, checked with a sentence that says what to do, and read anew while it rotates."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.auth import NO_SECRET
from hub.secrets import Secrets, SecretsError, SecretsFile, ensure_secrets, load_secrets
from hub.settings import DEMO_PROFILE
from profiles import Auth, load_profile

CHANNELS = tuple(load_profile(DEMO_PROFILE).channels.values())
KEY, OLD = "0a" * 32, "0b" * 32
HEAD = f'reporter_key = "{KEY}"\nseal_key_id = "s2"\n'
RING = f'[seal_keys.s2]\nkey = "{KEY}"\n[seal_keys.s1]\nkey = "{"0c" * 16}"\nalgorithm = "SM4-GCM"\n'


def written(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def test_fresh_secrets_are_random_private_and_kept(tmp_path: Path) -> None:
    first = ensure_secrets(tmp_path / "a" / "secrets.toml", CHANNELS)
    other = ensure_secrets(tmp_path / "b" / "secrets.toml", CHANNELS)
    assert ensure_secrets(tmp_path / "a" / "secrets.toml", CHANNELS) == first
    assert first.seal_keys != other.seal_keys
    assert first.clickhouse["bi"] != other.clickhouse["bi"]
    assert set(first.channels) == {channel.id for channel in CHANNELS}
    assert len({secret.key for secret in first.channels.values()}) == len(CHANNELS)
    assert (tmp_path / "a" / "secrets.toml").stat().st_mode & 0o777 == 0o600


def test_every_channel_gets_what_its_auth_needs(tmp_path: Path) -> None:
    auths: tuple[Auth, ...] = ("hmac", "digest", "mtls", "wechat", "api_key")
    channels = [replace(CHANNELS[0], id=f"ch.{auth}", auth=auth) for auth in auths]
    made = ensure_secrets(tmp_path / "secrets.toml", channels).channels
    assert all(made[channel.id].key for channel in channels)
    assert made["ch.wechat"].token
    assert not made["ch.wechat"].aes_keys  # plain mode, until the account is set to another
    assert made["ch.digest"].passwords
    assert made["ch.mtls"].fingerprints == ()


def test_channels_added_to_the_profile_get_secrets_and_the_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    first = ensure_secrets(path, CHANNELS[:2])
    both = ensure_secrets(path, CHANNELS[:3])
    assert set(both.channels) == {channel.id for channel in CHANNELS[:3]}
    assert {name: both.channels[name] for name in first.channels} == first.channels
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_readers_added_to_the_profile_get_passwords_and_the_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    first = ensure_secrets(path, CHANNELS[:2])
    more = ensure_secrets(path, CHANNELS[:3], ("bi", "li", "wu"))
    assert set(more.clickhouse) == {"hub", "bi", "li", "wu"}
    assert {user: more.clickhouse[user] for user in first.clickhouse} == first.clickhouse
    assert len(set(more.clickhouse.values())) == 4
    assert set(more.channels) == {channel.id for channel in CHANNELS[:3]}
    assert more.seal_keys == first.seal_keys
    assert ensure_secrets(path, CHANNELS[:3], ("bi", "li", "wu")) == more
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_without_the_table_of_clickhouse_is_told_of_where_a_reader_has_no_password(tmp_path: Path) -> None:
    path = written(tmp_path / "secrets.toml", HEAD + RING)
    with pytest.raises(SecretsError, match=r"add the table \[clickhouse\]"):
        ensure_secrets(path, ())


def test_secrets_do_not_show_in_a_log(tmp_path: Path) -> None:
    secrets = ensure_secrets(tmp_path / "secrets.toml", CHANNELS)
    shown = repr(secrets) + repr(secrets.channels) + repr(secrets.seal_keys)
    assert secrets.clickhouse["hub"] not in shown
    assert str(secrets.channels["demo-wechat"].token) not in shown
    assert repr(secrets.channels["demo-hotline"].key) not in shown
    assert repr(secrets.seal_keys["seal-1"].key) not in shown


def test_a_ring_opens_what_the_key_before_sealed(tmp_path: Path) -> None:
    old = load_secrets(written(tmp_path / "old.toml", HEAD.replace("s2", "s1") + RING)).privacy()
    new = load_secrets(written(tmp_path / "new.toml", HEAD + RING)).privacy()
    assert (old.seal_key_id, new.seal_key_id) == ("s1", "s2")
    for privacy in (old, new):
        for reader in (old, new):
            assert reader.unseal(privacy.seal(b"words", "id"), "id", privacy.seal_key_id) == b"words"


def test_the_elder_shape_is_a_ring_of_one(tmp_path: Path) -> None:
    path = written(tmp_path / "secrets.toml", f'reporter_key = "{KEY}"\nseal_key_id = "old"\nseal_key = "{OLD}"\n')
    found = load_secrets(path)
    assert {name: key.key for name, key in found.seal_keys.items()} == {"old": bytes.fromhex(OLD)}
    assert found.privacy().seal_key_id == "old"


def test_the_digest_of_reporter_keys_is_selectable(tmp_path: Path) -> None:
    plain = load_secrets(written(tmp_path / "a.toml", HEAD + RING)).privacy()
    sm3 = load_secrets(written(tmp_path / "b.toml", f'reporter_algorithm = "sm3"\n{HEAD}{RING}')).privacy()
    assert plain.key_of("phone", "1") != sm3.key_of("phone", "1")


def test_one_value_or_several_are_given_the_newest_first(tmp_path: Path) -> None:
    text = f"""{HEAD}{RING}
[channel.one]
key = "{KEY}"
password = "p"
aes_key = "a"
fingerprint = "{":".join(["AB"] * 32)}"
dsn = "postgresql://reader@db.invalid/x"
[channel.two]
keys = ["{KEY}", "{OLD}"]
passwords = ["p", "q"]
aes_keys = ["a", "b"]
fingerprints = ["{KEY}", "{OLD}"]
app_id = "wx"
"""
    found = load_secrets(written(tmp_path / "secrets.toml", text)).channels
    one, two = found["one"], found["two"]
    assert (one.keys, one.key) == ((bytes.fromhex(KEY),), bytes.fromhex(KEY))
    assert (one.passwords, one.aes_keys, one.fingerprints) == (("p",), ("a",), ("ab" * 32,))
    assert one.dsn == "postgresql://reader@db.invalid/x"
    assert (two.keys, two.key) == ((bytes.fromhex(KEY), bytes.fromhex(OLD)), bytes.fromhex(KEY))
    assert (two.passwords, two.aes_keys, two.fingerprints) == (("p", "q"), ("a", "b"), (KEY, OLD))
    assert two.app_id == "wx"


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    ensure_secrets(path, CHANNELS)
    path.chmod(0o644)
    with pytest.raises(SecretsError, match="chmod o-rwx"):
        load_secrets(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "reporter_key must be given"),
        ('reporter_key = "00"', "must have 64 hex digits"),
        (f'reporter_key = "{KEY}"\nseal_key = 7', "seal_key must be given"),
        (f'reporter_key = "{KEY}"', r"\[seal_keys.seal-1\] must be given"),
        (HEAD + RING.replace("s2", "s3"), r"\[seal_keys.s2\] must be given"),
        (HEAD + RING.replace("0c" * 16, KEY), "seal_keys.s1: key must have 32 hex digits"),
        (HEAD + RING.replace("SM4-GCM", "DES"), "seal_keys.s1: algorithm must be one of"),
        (f'reporter_algorithm = "md5"\n{HEAD}{RING}', "reporter_algorithm must be one of sha256, sm3"),
        (f"{HEAD}seal_keys = 1", "seal_keys must be a table"),
        ("not toml", "not valid TOML"),
        (f'{HEAD}{RING}[channel.x]\nkey = "zz"', "channel x: key"),
        (f'{HEAD}{RING}[channel.x]\nkeys = "{KEY}"', "channel x: key must be a text, and keys a list"),
        (f'{HEAD}{RING}[channel.x]\nkey = "{KEY}"\nkeys = ["{KEY}"]', "channel x: give key or keys, not both"),
        (f'{HEAD}{RING}[channel.x]\npasswords = ["a", ""]', "channel x: password must be a text"),
        (f'{HEAD}{RING}[channel.x]\npasword = "a"', "channel x: unknown key.* pasword"),
        (f"{HEAD}{RING}[channel.x]\ntoken = 7", "channel x: token must be a text"),
        (f'{HEAD}{RING}[channel.x]\nfingerprint = "ab"', "channel x: fingerprint must have 64 hex digits"),
        (f'{HEAD}{RING}[channel]\nx = "{KEY}"', "channel x: must be a table"),
    ],
)
def test_a_wrong_file_is_refused_with_what_to_do_and_without_its_values(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SecretsError, match=says) as caught:
        load_secrets(written(tmp_path / "secrets.toml", text))
    assert KEY not in str(caught.value)


def test_a_missing_file_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="ZHISHU_SECRETS"):
        load_secrets(tmp_path / "none.toml")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def rotated(*keys: str, seal: str = "s2", reporter: str = KEY) -> str:
    listed = ", ".join(f'"{key}"' for key in keys)
    return f'reporter_key = "{reporter}"\nseal_key_id = "{seal}"\n{RING}[channel.x]\nkeys = [{listed}]\n'


def in_place(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))  # a change within one tick of the file system's clock


def replaced(path: Path, text: str) -> None:
    written(path.with_suffix(".new"), text).replace(path)


@pytest.mark.parametrize("change", [in_place, replaced])
def test_keys_rotate_while_a_process_runs(tmp_path: Path, change: Callable[[Path, str], None]) -> None:
    path, clock = written(tmp_path / "secrets.toml", rotated(OLD)), Clock()
    changes: list[Secrets] = []
    file = SecretsFile(path, clock, changes.append)
    assert file.channel("x").keys == (bytes.fromhex(OLD),)
    assert file.channel("y") == NO_SECRET
    change(path, rotated(KEY, OLD, seal="s1"))
    assert file.channel("x").keys == (bytes.fromhex(OLD),)  # looked at a moment ago
    clock.now += 1
    assert file.channel("x").keys == (bytes.fromhex(KEY), bytes.fromhex(OLD))
    assert [secrets.privacy().seal_key_id for secrets in changes] == ["s1"]
    change(path, rotated(KEY))
    clock.now += 1
    assert file.channel("x").keys == (bytes.fromhex(KEY),)
    clock.now += 1
    file.channel("x")
    assert len(changes) == 2


@pytest.mark.parametrize("broken", ["not toml", HEAD, None])
def test_a_broken_or_missing_file_changes_nothing_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str | None
) -> None:
    path, clock = written(tmp_path / "secrets.toml", rotated(OLD)), Clock()
    file = SecretsFile(path, clock)
    if broken is None:
        path.unlink()
    else:
        replaced(path, broken)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            clock.now += 1
            assert file.channel("x").keys == (bytes.fromhex(OLD),)
    assert caplog.text.count("secrets stay as they were") == 1
    replaced(path, rotated(KEY))
    clock.now += 1
    assert file.channel("x").keys == (bytes.fromhex(KEY),)


def test_the_reporter_key_of_the_start_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = written(tmp_path / "secrets.toml", rotated(OLD)), Clock()
    file = SecretsFile(path, clock)
    before = file.present.privacy().key_of("phone", "1")
    replaced(path, rotated(KEY, seal="s1", reporter="0d" * 32))
    clock.now += 1
    assert file.channel("x").keys == (bytes.fromhex(KEY),)
    assert file.present.privacy().key_of("phone", "1") == before
    assert file.present.privacy().seal_key_id == "s1"
    assert "until every gateway is restarted" in caplog.text


def test_a_process_does_not_start_with_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(SecretsError):
        SecretsFile(written(tmp_path / "secrets.toml", HEAD))
