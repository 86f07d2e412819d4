"""Times: what is written is what is read, in any zone and shape."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import times
from connectors.errors import Refusal

SHANGHAI = ZoneInfo("Asia/Shanghai")
moments = st.datetimes(datetime(2000, 1, 2), datetime(2100, 12, 30)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@given(moments, st.sampled_from(["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]))
def test_a_local_time_reads_back(moment: datetime, pattern: str) -> None:
    local = moment.replace(tzinfo=SHANGHAI)
    assert times.local_time({"t": local.strftime(pattern)}, "t", SHANGHAI) == ms(local)


@given(moments, st.sampled_from("-/"))
def test_year_first_with_one_digit_parts_reads_back(moment: datetime, mark: str) -> None:
    local = moment.replace(tzinfo=SHANGHAI)
    text = f"{local.year}{mark}{local.month}{mark}{local.day} {local.hour}:{local.minute:02d}:{local.second:02d}"
    assert times.local_time({"t": text}, "t", SHANGHAI) == ms(local)


@given(moments, st.integers(-14 * 4, 14 * 4))
def test_an_offset_wins_over_the_zone(moment: datetime, quarters: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=15 * quarters)))
    assert times.local_time({"t": zoned.isoformat()}, "t", SHANGHAI) == ms(zoned)


@given(moments, st.sampled_from([":%S", ""]), st.sampled_from(["%y", "%Y"]))
def test_a_day_first_time_reads_back(moment: datetime, seconds: str, year: str) -> None:
    local = moment.replace(second=moment.second if seconds else 0, tzinfo=SHANGHAI)
    if local.year < 2100:
        text = f"{local.day}/{local.month}/{local.strftime(year)} {local.hour}:{local.strftime('%M' + seconds)}"
        assert times.read_day_first(text, SHANGHAI) == ms(local)


FORMS = [
    "{0.year}年{0.month}月{0.day}日 {0.hour}时{0.minute}分{0.second}秒",
    "{0.year}年{0.month:02d}月{0.day:02d}日{0.hour:02d}:{0.minute:02d}:{0.second:02d}",
    "{0.year}/{0.month}/{0.day} {0.hour}:{0.minute:02d}:{0.second:02d}",
    "{0.year}.{0.month}.{0.day} {0.hour}:{0.minute:02d}:{0.second:02d}",
    "{0:%Y%m%d%H%M%S}",
    "{0:%Y-%m-%d %H:%M:%S}.000",
]


@given(moments, st.sampled_from(FORMS))
def test_every_form_of_the_sources_reads_back(moment: datetime, form: str) -> None:
    local = moment.replace(tzinfo=SHANGHAI)
    assert times.read_local(form.format(local), SHANGHAI) == ms(local)
    assert times.read_any(form.format(local), SHANGHAI) == ms(local)


@given(moments)
def test_a_spreadsheets_serial_reads_back_to_the_second(moment: datetime) -> None:
    local = moment.replace(tzinfo=SHANGHAI)
    serial = (moment - datetime(1899, 12, 30)) / timedelta(days=1)  # noqa: DTZ001
    assert times.read_local(f"{serial:.8f}", SHANGHAI) == ms(local)
    assert times.read_any(serial, SHANGHAI) == ms(local)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("2019/7/19 18:19:54", (2019, 7, 19, 18, 19, 54)), ("2019-7-19", (2019, 7, 19)), ("2019/7/19", (2019, 7, 19)),
        ("2019年7月19日 18时19分", (2019, 7, 19, 18, 19)), ("2019年7月19日18时", (2019, 7, 19, 18)),
        ("2019年7月19日", (2019, 7, 19)), ("2019/7/19 下午 6:19:54", (2019, 7, 19, 18, 19, 54)),
        ("2019-7-19 上午12:05", (2019, 7, 19, 0, 5)), ("2019年7月19日 下午6点19分", (2019, 7, 19, 18, 19)),
        ("20250912101108", (2025, 9, 12, 10, 11, 8)), ("202509121011", (2025, 9, 12, 10, 11)),
        ("20250912", (2025, 9, 12)), ("45912", (2025, 9, 12)), ("45912.5", (2025, 9, 12, 12)),
        ("2025-09-12 10:11", (2025, 9, 12, 10, 11)), (" 2025-09-12 10:11:08 ", (2025, 9, 12, 10, 11, 8)),
    ],
)  # fmt: skip
def test_a_form_of_a_source_is_read(text: str, parts: tuple[int, ...]) -> None:
    moment = ms(datetime(*parts, tzinfo=SHANGHAI))  # type: ignore[misc,arg-type]
    assert times.read_local(text, SHANGHAI) == moment
    assert times.read_any(text, SHANGHAI) == moment


@pytest.mark.parametrize("text", ["6/5/25 14:57", "06/05/2025 14:57:00"])
def test_the_day_comes_first_only_where_the_feed_says_so(text: str) -> None:
    assert times.read_day_first(text, SHANGHAI) == ms(datetime(2025, 5, 6, 14, 57, tzinfo=SHANGHAI))
    with pytest.raises(Refusal):
        times.read_any(text, SHANGHAI)


@given(moments)
def test_epoch_seconds_and_milliseconds_name_the_same_moment(moment: datetime) -> None:
    seconds = int(moment.replace(tzinfo=UTC).timestamp())
    read = {
        times.epoch_time({"t": value}, "t") for value in (seconds, str(seconds), seconds * 1000, str(seconds * 1000))
    }
    assert read == {seconds * 1000}


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    readers: list[Callable[[], int]] = [
        lambda: times.local_time({"t": text}, "t", SHANGHAI),
        lambda: times.read_day_first(text, SHANGHAI),
        lambda: times.any_time({"t": text}, "t", SHANGHAI),
        lambda: times.read_formatted(text, SHANGHAI, "%m/%d/%Y"),
    ]
    for read in readers:
        try:
            moment: int | None = read()
            code = ""
        except Refusal as refusal:
            moment, code = None, refusal.code
        if moment is None:
            assert code in {"bad_time", "missing_field"}
        else:
            assert times.EARLIEST_MS <= moment < times.LATEST_MS


@pytest.mark.parametrize(
    "text",
    [
        "1900-01-01 00:00:00", "2300-01-01 00:00:00", "0001-01-01 00:00:00+14:00", "9999-12-31 23:59:59-14:00",
        "2025-02-29 10:00:00", "2025-01-01 24:00:00", "2025-01-01 10:60:00", "2025/01-01 10:00:00",
        "2025/13/1 10:00", "2025-1-32", "20251301", "20250912251108", "2025年13月1日", "2025/1/1 下午13:00",
        "20250101T100000", "２０２５-01-01 10:00:00", "2025-W01-1 10:00", "12345", "99999.5", "25-1-1 10:00",
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        times.local_time({"t": text}, "t", SHANGHAI)
    assert caught.value.code == "bad_time"


@pytest.mark.parametrize("value", [-1, 0, 10**18, 1e300, True, "12", [], 253402300800000])
def test_an_epoch_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(Refusal):
        times.epoch_time({"t": value}, "t")


def test_the_last_year_taken_reads_in_every_form() -> None:
    last = datetime(2100, 1, 1, tzinfo=SHANGHAI)
    assert {times.read_local(form.format(last), SHANGHAI) for form in FORMS} == {ms(last)}
