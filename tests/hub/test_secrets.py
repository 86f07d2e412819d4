"""The secrets file: made once, kept from others, and checked with a sentence that says what to do."""

from pathlib import Path

import pytest

from hub.secrets import SecretsError, ensure_secrets, load_secrets
from hub.settings import DEMO_PROFILE
from profiles import load_profile

CHANNELS = tuple(load_profile(DEMO_PROFILE).channels.values())


def test_fresh_secrets_are_random_private_and_kept(tmp_path: Path) -> None:
    first = ensure_secrets(tmp_path / "a" / "secrets.toml", CHANNELS)
    other = ensure_secrets(tmp_path / "b" / "secrets.toml", CHANNELS)
    assert ensure_secrets(tmp_path / "a" / "secrets.toml", CHANNELS) == first
    assert first.seal_key != other.seal_key
    assert first.clickhouse["bi"] != other.clickhouse["bi"]
    assert set(first.channels) == {channel.id for channel in CHANNELS}
    assert first.channels["demo-wechat"].token
    assert (tmp_path / "a" / "secrets.toml").stat().st_mode & 0o777 == 0o600


def test_secrets_do_not_show_in_a_log(tmp_path: Path) -> None:
    secrets = ensure_secrets(tmp_path / "secrets.toml", CHANNELS)
    shown = repr(secrets) + repr(secrets.channels)
    assert secrets.clickhouse["hub"] not in shown
    assert str(secrets.channels["demo-wechat"].token) not in shown
    assert repr(secrets.channels["demo-hotline"].key) not in shown


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
        (f'reporter_key = "{"00" * 32}"\nseal_key = 7', "seal_key must be given"),
        ("not toml", "not valid TOML"),
        (f'reporter_key = "{"00" * 32}"\nseal_key = "{"00" * 32}"\n[channel.x]\nkey = "zz"', "channel x: key"),
    ],
)
def test_a_wrong_file_is_refused_with_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "secrets.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(SecretsError, match=says):
        load_secrets(path)


def test_a_missing_file_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="ZHISHU_SECRETS"):
        load_secrets(tmp_path / "none.toml")
