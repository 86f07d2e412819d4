"""Settings that are more than one value."""

import pytest
from pydantic import ValidationError

from hub.settings import Settings


def test_passwords_of_readers_are_given_by_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHISHU_CLICKHOUSE_READERS", "bi=abc li=d=e ")
    assert Settings().reader_passwords == {"bi": "abc", "li": "d=e"}
    monkeypatch.setenv("ZHISHU_CLICKHOUSE_READERS", "")
    assert Settings().reader_passwords == {}


@pytest.mark.parametrize("value", ["bi", "=s3cret", "bi=", "bi=s3cret li"])
def test_a_reader_without_a_password_is_refused_and_no_password_is_told(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ZHISHU_CLICKHOUSE_READERS", value)
    with pytest.raises(ValidationError, match="give user=password") as caught:
        Settings()
    assert "s3cret" not in str(caught.value)
