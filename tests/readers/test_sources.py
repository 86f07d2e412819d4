"""`[channel.source]`: what is taken, and that an error names channel and key."""

from pathlib import Path

import pytest

from profiles import ProfileError
from profiles.sources import DahuaSource, FilesSource, Open311Source, SqlSource
from tests.readers.parts import ROWS, channel

CAMERAS = '[[channel]]\nid = "cameras"\nfeed = "video"\nprotocol = "dahua"\ncrs = "WGS-84"\n'


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ('kind = "sql"\ntable = "exchange.orders"\nkey = "id"\nclock = "更新时间"', SqlSource),
        ('kind = "files"\nfolder = "drops/hotline"\ncolumns = ["工单编号"]', FilesSource),
        ('kind = "open311"\nurl = "https://city.example/open311/v2/"\nsince = 2025-01-01', Open311Source),
    ],
)
def test_a_source_of_rows_is_read(tmp_path: Path, source: str, kind: type) -> None:
    assert isinstance(channel(tmp_path, f"{ROWS}[channel.source]\n{source}\n").source, kind)


def test_a_source_of_devices_is_read(tmp_path: Path) -> None:
    devices = '[channel.source.devices]\n"37021200001320000001" = "http://192.0.2.10"\n'
    found = channel(tmp_path, f'{CAMERAS}[channel.source]\nkind = "dahua"\nuser = "hub"\n{devices}').source
    assert isinstance(found, DahuaSource)
    assert found.devices == {"37021200001320000001": "http://192.0.2.10"}


def test_a_channel_without_a_source_is_pushed(tmp_path: Path) -> None:
    assert channel(tmp_path, ROWS).source is None


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "kind must be given"),
        ('kind = "ftp"', "kind must be one of"),
        ('kind = "sql"\nkey = "id"', "give either table or query"),
        ('kind = "sql"\nkey = "id"\ntable = "a"\nquery = "SELECT 1"', "give either table or query"),
        ('kind = "sql"\ntable = "a"', "source.key: must be given"),
        ('kind = "sql"\ntable = "a"\nkey = "id"\npassword = "x"', "source.password: is no key"),
        ('kind = "sql"\ntable = \'a"; DROP\'\nkey = "id"', "source.table: must be a plain name"),
        ('kind = "sql"\ntable = "a"\nkey = "id"\nclock_format = "epoch_s"', "clock_format goes with clock"),
        ('kind = "sql"\ntable = "a"\nkey = "id"\nzone = "Asia/Nowhere"', "source.zone: must be an IANA name"),
        ('kind = "sql"\ntable = "a"\nkey = "id"\nbatch = 0', "source.batch"),
        ('kind = "files"\nfolder = "a"\nevery_s = 0', "source.every_s"),
        ('kind = "open311"\nurl = "https://user:word@city.example"', "source.url: must be http"),
        ('kind = "dahua"\nuser = "a"\ndevices = {a = "http://192.0.2.1"}', "goes with the protocol dahua"),
    ],
)
def test_a_wrong_source_is_refused_by_channel_and_key(tmp_path: Path, source: str, told: str) -> None:
    with pytest.raises(ProfileError, match=r"channel 1 \(table\)") as refused:
        channel(tmp_path, f"{ROWS}[channel.source]\n{source}\n")
    assert told in str(refused.value)


def test_a_batch_may_not_be_larger_than_the_channel_takes(tmp_path: Path) -> None:
    text = ROWS.replace('crs = "WGS-84"', 'crs = "WGS-84"\nmax_records = 100')
    with pytest.raises(ProfileError, match="max_records"):
        channel(tmp_path, f'{text}[channel.source]\nkind = "files"\nfolder = "a"\n')


def test_an_open311_source_without_a_mapping_gets_the_one_that_is_shipped(tmp_path: Path) -> None:
    head = '[[channel]]\nid = "city"\nfeed = "other"\nprotocol = "canonical"\ncrs = "WGS-84"\n'
    found = channel(tmp_path, f'{head}[channel.source]\nkind = "open311"\nurl = "https://city.example"\n')
    assert found.mapping["upstream_id"] == "service_request_id"
    assert found.constants["zero_point"] == "none"
