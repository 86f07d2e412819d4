"""Masks, keys and seals."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.privacy import Privacy, fold, known_name, mask_phone, mask_text, phone_digits
from tests.connectors.make import PRIVACY

mobiles = st.tuples(st.sampled_from("3456789"), st.text("0123456789", min_size=9, max_size=9)).map(
    lambda x: f"1{x[0]}{x[1]}"
)
words = st.text("反映小区噪声很大的，。 请联系\n", max_size=20)
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


@given(
    mobiles,
    words,
    words,
    st.sampled_from(["", " ", "-", "－", "　", "—"]),
    st.booleans(),
    st.sampled_from(["", "+86", "86 ", "0"]),
)
def test_a_mobile_number_is_masked_however_it_is_written(
    number: str, before: str, after: str, gap: str, wide: bool, prefix: str
) -> None:
    written = f"{number[:3]}{gap}{number[3:7]}{gap}{number[7:]}"
    text = f"{before}{prefix}{written.translate(FULL_WIDTH) if wide else written}{after}"
    masked = mask_text(text)
    assert number[3:7] + number[7:] not in "".join(x for x in fold(masked) if x.isdigit())
    assert mask_phone(number) in masked


@given(mobiles, words)
def test_masking_twice_changes_nothing_more(number: str, text: str) -> None:
    once = mask_text(f"{text}{number}，鲁B12345，a.b@c.example")
    assert mask_text(once) == once


@given(st.text())
def test_text_without_digits_or_at_sign_stays_as_it_is(text: str) -> None:
    plain = "".join(x for x in text if x not in "@＠" and not x.isdigit())
    assert mask_text(plain) == plain


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("身份证11010119900101123X", "身份证1****************X"),
        ("身份证 110101 19900101 1234", "身份证 1****************4"),
        ("卡号6222 0000 0000 0000 123", "卡号************0123"),
        ("座机0532-88880000", "座机05328888****"),
        ("座机(0532)88880000", "座机05328888****"),
        ("电话：88880000", "电话：****"),
        ("车牌鲁B12345违停", "车牌鲁B****违停"),
        ("车牌鲁BD12345违停", "车牌鲁B****违停"),
        ("邮箱some.body@mail.example", "邮箱s***@mail.example"),
    ],
)
def test_other_personal_data_is_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "工单250912101108115409已办结", "案件3702122025051200001", "社区370212001003", "2025-09-12 10:11:08来电",
        "坐标120.468912,36.107431", "3号楼2单元501室", "共130户，2000元", "GB/T 30428.8-2020", "设备34020000001320000001",
    ],
)  # fmt: skip
def test_numbers_that_are_nobodys_stay(text: str) -> None:
    assert mask_text(text) == text


def test_a_given_name_is_masked_in_the_text_and_a_word_for_nobody_is_not() -> None:
    assert mask_text("我是甄样本，求助", known_name("甄样本")) == "我是甄**，求助"
    assert mask_text("市民来电", known_name("市民")) == "市民来电"


@pytest.mark.parametrize(
    "hostile", ["a" * 20_000, "1" * 20_000, "1 3-" * 5_000, "a." * 10_000, "@" * 20_000, "京A" * 10_000, "13" * 10_000]
)
def test_hostile_text_of_full_length_is_masked_in_time(hostile: str) -> None:
    began = time.process_time()
    mask_text(hostile)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "written", ["13800001234", "138 0000 1234", "+86 138-0000-1234", "１３８００００１２３４", "013800001234"]
)
def test_one_person_has_one_key_however_the_number_is_written(written: str) -> None:
    assert phone_digits(written) == "13800001234"


@pytest.mark.parametrize("written", ["", "匿名", "138****0000", "12", "1" * 30])
def test_what_is_no_phone_number_gives_no_key(written: str) -> None:
    assert phone_digits(written) == ""


def test_keys_differ_by_kind_and_by_deployment() -> None:
    other = Privacy(b"another hmac key of enough bytes", b"s" * 32, "s")
    keys = {PRIVACY.key_of("phone", "1"), PRIVACY.key_of("openid", "1"), other.key_of("phone", "1")}
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)


@given(st.binary(), st.text())
def test_a_seal_opens_to_the_same_bytes(data: bytes, name: str) -> None:
    assert PRIVACY.unseal(PRIVACY.seal(data, name), name) == data


@given(st.binary(), st.integers(0), st.integers(1, 255))
def test_a_changed_seal_does_not_open(data: bytes, place: int, change: int) -> None:
    sealed = bytearray(PRIVACY.seal(data, "id"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(ValueError, match="does not open"):
        PRIVACY.unseal(bytes(sealed), "id")


@pytest.mark.parametrize(
    ("hmac_key", "seal_key", "name"),
    [(b"short", b"s" * 32, "s"), (b"h" * 32, b"s" * 31, "s"), (b"h" * 32, b"s" * 32, "")],
)
def test_weak_keys_are_not_taken(hmac_key: bytes, seal_key: bytes, name: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Privacy(hmac_key, seal_key, name)
