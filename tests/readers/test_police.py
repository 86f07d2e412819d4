"""What must never leave 110 is not kept either when a reader finds it."""

import asyncio
from pathlib import Path

from connectors.readers.drops import FilesOrigin
from tests.readers.parts import Kept, channel, reader

ROWS = "事件编号,上报时间,警情类别,事件描述\n{}ZHW202505060002,6/5/25 14:57,600500,退款纠纷\n"
CRIMINAL = "ZHW202505060001,6/5/25 14:57,100100,甄样本持刀伤人 电话13800001234\n"
DECLARED = """
[[channel]]
id = "police-files"
feed = "police110"
protocol = "police110"
crs = "WGS-84"
table = "alarm6"
[channel.source]
kind = "files"
folder = "in"
every_s = 0.01
"""


def test_the_letter_of_a_forbidden_class_counts_it_and_keeps_nothing_of_it(tmp_path: Path, kept: Kept) -> None:
    one = channel(tmp_path, DECLARED)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(ROWS.format(CRIMINAL), encoding="utf-8")
    reading = reader(one, FilesOrigin(one.id, one.source, tmp_path), kept, tmp_path / "cursors")
    for _ in range(3):
        asyncio.run(reading.pass_once())
    assert kept.ids() == ["ZHW202505060002"]
    (letter,) = kept.letters()
    assert (letter["reason_code"], letter["original"], letter["sealed_key_id"]) == ("forbidden_class", b"", None)
    assert "13800001234" not in str(letter)
    assert "持刀" not in str(letter)
