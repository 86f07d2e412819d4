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


@given(moments)
def test_a_day_first_time_reads_back_to_the_minute(moment: datetime) -> None:
    local = moment.replace(second=0, tzinfo=SHANGHAI)
    if local.year < 2100:
        text = f"{local.day}/{local.month}/{local.year % 100:02d} {local.hour}:{local.minute:02d}"
        assert times.day_first_time({"t": text}, "t", SHANGHAI) == ms(local)


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
        lambda: times.day_first_time({"t": text}, "t", SHANGHAI),
        lambda: times.any_time({"t": text}, "t", SHANGHAI),
        lambda: times.formatted_time({"t": text}, "t", SHANGHAI, "%m/%d/%Y"),
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
        "2025-02-29 10:00:00", "2025-01-01 24:00:00", "2025-01-01 10:60:00", "2025-1-1", "2025/01-01 10:00:00",
        "2025/13/1 10:00", "2025-01-01",
        "20250101T100000", "２０２５-01-01 10:00:00", "2025-W01-1 10:00",
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
