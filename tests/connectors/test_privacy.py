"""Masks, keys and seals."""

import csv
import time
import unicodedata
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.privacy import Algorithm, Privacy, SealKey
from schemas.numbers import plain_digits
from schemas.personal import fold, has_personal, known_name, known_phone, mask_phone, mask_text, phone_digits
from tests.connectors.make import PRIVACY

CORPUS = Path(__file__).parent / "pii"
mobiles = st.tuples(st.sampled_from("3456789"), st.text("0123456789", min_size=9, max_size=9)).map(
    lambda x: f"1{x[0]}{x[1]}"
)
words = st.text("反映小区噪声很大的，。 请联系\n", max_size=20)
gaps = st.sampled_from(["", " ", "-", "－", "　", "—", ".", "·", "/", "_", ",", "，", "\u200b", "转", " 空 "])
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
SPOKEN = ["零一二三四五六七八九", "〇幺二三四五六七八九", "零壹贰叁肆伍陆柒捌玖", "洞幺两三四五六拐八勾", "0123456789"]


def rows(name: str) -> list[dict[str, str]]:
    with (CORPUS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def spelled(text: str) -> str:
    """Letters and digits of a text, however they are written."""
    plain = plain_digits(unicodedata.normalize("NFKC", plain_digits(text)))
    return "".join(character for character in plain if character.isalnum()).upper()


def shown(row: dict[str, str]) -> bool:
    """Whether the personal data of a row can still be read; of a number the last seven digits: its mask keeps fewer."""
    masked = mask_text(row["sentence"])
    if row["kind"] == "name":
        return row["vanishes"] in masked
    secret = spelled(row["vanishes"])
    return (secret[-7:] if secret[:-1].isdigit() else secret) in spelled(masked)


def test_nothing_of_the_corpus_slips_through() -> None:
    corpus = rows("personal.tsv")
    by_kind = {kind: sum(row["kind"] == kind for row in corpus) for kind in {row["kind"] for row in corpus}}
    slips = [(row["kind"], row["sentence"]) for row in corpus if shown(row)]
    print(f"{len(corpus)} sentences with personal data {by_kind}: {len(slips)} slip through")
    assert len(corpus) >= 300
    assert set(by_kind) == {"mobile", "landline", "identity", "card", "plate", "email", "name"}
    assert slips == []


def test_of_text_that_is_nobodys_less_than_one_percent_is_masked() -> None:
    sentences = [row["sentence"] for row in rows("clean.tsv")]
    changed = [sentence for sentence in sentences if has_personal(sentence)]
    characters, lost = sum(map(len, sentences)), sum(map(len, changed))
    print(f"{len(sentences)} clean sentences, {characters} characters: {lost} in {len(changed)} changed sentences")
    assert len(sentences) >= 80
    assert lost < characters * 0.01


def test_what_is_masked_once_is_masked_for_good() -> None:
    for row in rows("personal.tsv"):
        once = mask_text(row["sentence"])
        assert mask_text(once) == once
        assert mask_text(row["sentence"], fully=True).count("*") >= 3
        assert has_personal(row["sentence"])


@given(mobiles, words, words, gaps, st.booleans(), st.sampled_from(["", "+86", "86 ", "0", "0086", "（+86）"]))
def test_a_mobile_number_is_masked_however_it_is_written(
    number: str, before: str, after: str, gap: str, wide: bool, prefix: str
) -> None:
    written = f"{number[:3]}{gap}{number[3:7]}{gap}{number[7:]}"
    masked = mask_text(f"{before}{prefix}{written.translate(FULL_WIDTH) if wide else written}{after}")
    assert number[3:7] + number[7:] not in "".join(x for x in fold(masked) if x.isdigit())
    assert mask_phone(number) in masked


@given(mobiles, words, words, st.lists(st.integers(0, 4), min_size=11, max_size=11), gaps)
def test_a_mobile_number_is_masked_in_any_mix_of_spoken_and_written_digits(
    number: str, before: str, after: str, how: list[int], gap: str
) -> None:
    said = [SPOKEN[which][int(digit)] for which, digit in zip(how, number, strict=True)]
    masked = mask_text(f"{before}{''.join(said[:3])}{gap}{''.join(said[3:7])}{gap}{''.join(said[7:])}{after}")
    assert mask_phone(number) in masked


@given(
    st.dates(date(1900, 1, 1), date(2099, 12, 31)).map(lambda day: day.strftime("%Y%m%d")),
    st.text("0123456789", min_size=3, max_size=3),
    gaps,
)
def test_an_identity_number_is_masked_whether_its_check_character_is_right_or_not(
    birthday: str, serial: str, gap: str
) -> None:
    for check in "0123456789X":
        masked = mask_text(f"证号370212{gap}{birthday}{gap}{serial}{check}。")
        assert birthday not in spelled(masked)


@given(mobiles, words)
def test_masking_twice_changes_nothing_more(number: str, text: str) -> None:
    once = mask_text(f"{text}{number}，鲁B12345，a.b@c.example")
    assert mask_text(once) == once


@given(st.text())
def test_text_of_any_kind_is_masked_without_an_error_and_then_holds_nothing_more(text: str) -> None:
    mask_text(text, fully=True)
    has_personal(mask_text(text))


@given(st.text("反映小区噪声很大路灯不亮垃圾没有人清理，。！\n", max_size=60))
def test_text_without_digits_names_and_at_sign_stays_as_it_is(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("身份证11010119900101123X", "身份证1****************X"),
        ("身份证 110101 19900101 1234", "身份证 1****************4"),
        ("老证370212500101123", "老证3****************3"),
        ("卡号6222 0000 0000 0000 123", "卡号************0123"),
        ("座机0532-88880000", "座机05328888****"),
        ("座机(0532)88880000", "座机05328888****"),
        ("座机0532-88880000转8012", "座机05328888****"),
        ("电话：88880000", "电话：****"),
        ("打8888000或8888001", "打****或****"),
        ("车牌鲁B12345违停", "车牌鲁B****违停"),
        ("车牌鲁BD12345违停", "车牌鲁B****违停"),
        ("邮箱some.body@mail.example", "邮箱s***@mail.example"),
        ("国外+44 20 7946 0000", "国外442079******"),
        ("联系人：甄样本，13800001234", "联系人：甄**，138****1234"),
        ("来电人甄样本反映", "来电人甄**反映"),
        ("周一13800001234", "周一138****1234"),
        ("138四个零1234", "138****1234"),
        ("打了3个13800001234", "打了3个138****1234"),
        ("座机0532-88880000转13800001234", "座机05328888****转138****1234"),
        ("鲁B12345、C67890追尾", "鲁B****、C****追尾"),
        ("电话138&nbsp;0000<br>1234", "电话138****1234"),
        ("一三八 零零零零 啊 一二三四", "138****1234"),
        ("一三八零零零零双一二二", "138****1122"),
        ("前面是138，中间0000，后面1234", "前面是138****1234"),
        ("邮箱样本@mail.example", "***@mail.example"),
    ],
)
def test_personal_data_is_masked_so_that_a_reader_sees_what_it_was(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_a_given_name_is_masked_in_the_text_and_a_word_for_nobody_is_not() -> None:
    assert mask_text("我们甄样本家，求助", known_name("甄样本")) == "我们甄**家，求助"
    assert mask_text("甄样本来过", known_name("甄样本先生")) == "甄**来过"
    assert mask_text("甄样本来过", known_name("甄样本/示例")) == "甄**来过"
    assert mask_text("买样提吐样逊反映，买样提没来", known_name("买样提·吐样逊")) == "买**反映，买**没来"
    assert mask_text("市民来电", known_name("市民")) == "市民来电"
    assert mask_text("编号A1", known_phone("A1")) == "编号A1"


@pytest.mark.parametrize(
    "hostile",
    [
        *("a", "1", "1 3-", "a.", "@", "京A", "13", "一", "一①1", "1、", "2.", "1\u200b", "四个零", "1转", "使1", "**1"),
        *("1X ", "WJ1", "姓名：", "来电人张三四五", "13800001234 ", "138 ", "6222 ", "电话1234567", "a@a.", "(at)a", "12345678 "),
        *("+86", "1 2 3-", "联系人("),
    ],
)  # fmt: skip
def test_the_time_for_hostile_text_grows_with_its_length_only(hostile: str) -> None:
    def seconds(length: int) -> float:
        text = (hostile * length)[:length]
        return min(_timed(text) for _ in range(2))

    short, long = seconds(5_000), seconds(20_000)
    assert long < 2.0
    assert long < 10 * max(short, 0.01)


def _timed(text: str) -> float:
    began = time.process_time()
    mask_text(text)
    return time.process_time() - began


@pytest.mark.parametrize(
    "written",
    [
        "13800001234",
        "138 0000 1234",
        "+86 138-0000-1234",
        "１３８００００１２３４",
        "013800001234",
        "一三八零零零零一二三四",
    ],
)
def test_one_person_has_one_key_however_the_number_is_written(written: str) -> None:
    assert phone_digits(written) == "13800001234"


@pytest.mark.parametrize(
    ("written", "first"),
    [
        ("13800001234/13900005678", "13800001234"),
        ("13800001234，13900005678", "13800001234"),
        ("手机13800001234", "13800001234"),
        ("13800001234(微信)", "13800001234"),
        ("138****1234、13900005678", "13900005678"),
        ("0532-88880000转8012", "053288880000"),
        ("办公室+86 532 8888 0000", "053288880000"),
        ("家里88880000", "88880000"),
    ],
)
def test_of_several_numbers_or_words_in_a_phone_field_the_first_number_gives_the_key(written: str, first: str) -> None:
    assert phone_digits(written) == first


@pytest.mark.parametrize("written", ["", "匿名", "138****0000", "12", "1" * 30, "138****0000(微信)"])
def test_what_is_no_phone_number_gives_no_key(written: str) -> None:
    assert phone_digits(written) == ""


AES, SM4 = SealKey(b"s" * 32), SealKey(b"s" * 16, "SM4-GCM")


def test_keys_differ_by_kind_by_deployment_and_by_digest() -> None:
    other = Privacy(b"another hmac key of enough bytes", {"s": AES}, "s")
    national = Privacy(b"another hmac key of enough bytes", {"s": AES}, "s", "sm3")
    keys = {PRIVACY.key_of("phone", "1"), PRIVACY.key_of("openid", "1"), other.key_of("phone", "1")}
    keys.add(national.key_of("phone", "1"))
    assert len(keys) == 4
    assert all(len(key) == 32 for key in keys)


def test_hmac_sm3_is_the_one_of_the_standard() -> None:
    """GB/T 32905 through another library of OpenSSL's than the one that is used."""
    from cryptography.hazmat.primitives import hashes, hmac

    key, privacy = b"k" * 32, Privacy(b"k" * 32, {"s": AES}, "s", "sm3")
    by_hand = hmac.HMAC(key, hashes.SM3())
    by_hand.update(b"phone:13800001234")
    assert privacy.key_of("phone", "13800001234") == by_hand.finalize().hex()[:32]


@pytest.mark.parametrize("key", [AES, SM4], ids=["AES", "SM4"])
@given(data=st.binary(), name=st.text())
def test_a_seal_opens_to_the_same_bytes(key: SealKey, data: bytes, name: str) -> None:
    privacy = Privacy(b"h" * 32, {"now": key}, "now")
    assert privacy.unseal(privacy.seal(data, name), name, "now") == data


@pytest.mark.parametrize("key", [AES, SM4], ids=["AES", "SM4"])
@given(data=st.binary(), place=st.integers(0), change=st.integers(1, 255))
def test_a_changed_seal_does_not_open(key: SealKey, data: bytes, place: int, change: int) -> None:
    privacy = Privacy(b"h" * 32, {"now": key}, "now")
    sealed = bytearray(privacy.seal(data, "id"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(ValueError, match="does not open"):
        privacy.unseal(bytes(sealed), "id", "now")
    with pytest.raises(ValueError, match="does not open"):
        privacy.unseal(privacy.seal(data, "id"), "another id", "now")
    with pytest.raises(ValueError, match="does not open"):
        privacy.unseal(data[:27], "id", "now")


def test_after_a_rotation_old_seals_open_new_ones_take_the_new_key_and_a_lost_key_is_named() -> None:
    before = Privacy(b"h" * 32, {"2025": AES}, "2025")
    after = Privacy(b"h" * 32, {"2025": AES, "2026": SM4}, "2026")
    assert after.unseal(before.seal(b"old", "id"), "id", "2025") == b"old"
    assert after.unseal(after.seal(b"new", "id"), "id", "2026") == b"new"
    assert after.key_of("phone", "1") == before.key_of("phone", "1")
    with pytest.raises(ValueError, match="2026"):
        before.unseal(after.seal(b"new", "id"), "id", "2026")


@pytest.mark.parametrize(
    ("hmac_key", "ring", "name"),
    [(b"short", {"s": AES}, "s"), (b"h" * 32, {"s": AES}, ""), (b"h" * 32, {"s": AES}, "t"), (b"h" * 32, {}, "s")],
)
def test_weak_or_missing_keys_are_not_taken(hmac_key: bytes, ring: dict[str, SealKey], name: str) -> None:
    with pytest.raises(ValueError, match="key"):
        Privacy(hmac_key, ring, name)


@pytest.mark.parametrize(
    ("size", "algorithm"), [(31, "AES-256-GCM"), (16, "AES-256-GCM"), (32, "SM4-GCM"), (16, "DES")]
)
def test_a_seal_key_has_the_length_of_its_algorithm(size: int, algorithm: Algorithm) -> None:
    with pytest.raises(ValueError, match="seal key"):
        SealKey(b"s" * size, algorithm)


def test_an_unknown_digest_is_not_taken() -> None:
    with pytest.raises(ValueError, match="sha256 or sm3"):
        Privacy(b"h" * 32, {"s": AES}, "s", "md5")  # type: ignore[arg-type]
