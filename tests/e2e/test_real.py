"""`make real`: any folder of the shapes that real data sets have runs end to end through the mapping files.

The rows here are made up; the shapes are those of a petitions table, New York's 311 export and Open311's GeoReport v2.
"""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from hub.console import CommandError
from hub.real import data_files, run

pytestmark = pytest.mark.e2e


def write_data(folder: Path) -> None:
    """A few rows of each shape of one year (what is 400 days older than the newest is forgotten), two of them one matter."""
    petitions = folder / "petitions"
    petitions.mkdir()
    (petitions / "reports.csv").write_text(
        "report_id,reporter,title,reported_at,text,down,up\n"
        "1,A0001,（虚构）甲区一条路的路灯不亮,2019/7/9 8:09:54,（虚构）甲区滨河路的路灯坏了半个月没有人修,0,0\n"
        "2,A0001,（虚构）甲区一条路的路灯不亮,2019-07-19 08:09:54,（虚构）甲区滨河路的路灯坏了半个月没有人修，请处理,0,0\n"
        "3,A0002,（虚构）乙区学校招生咨询,2019/8/1 10:00:00,（虚构）请问乙区今年小学入学需要什么材料,0,0\n",
        encoding="utf-8-sig",
    )
    (petitions / "clusters.csv").write_text("report_id,cluster\n1,C1\n2,C1\n3,C2\n")
    (petitions / "pairs.csv").write_text("a,b\n1,2\n")
    (folder / "nyc311").mkdir()
    (folder / "nyc311" / "rows.csv").write_text(
        '"unique_key","created_date","complaint_type","descriptor","incident_address","borough","latitude","longitude",'
        '"open_data_channel_type"\n'
        '"6001","2019-07-16T03:03:15.000","Street Condition","Pothole","1 MADE UP AVENUE","QUEENS","40.67","-73.73","PHONE"\n'
        '"6002","2019-07-16T04:03:15.000","Noise - Residential","Loud Music","","BRONX","","","ONLINE"\n'
    )
    (folder / "open311").mkdir()
    rows = [
        {"service_request_id": "9001", "requested_datetime": "2019-06-28 05:14:00", "service_name": "Abandoned Vehicle",
         "description": None, "address": "1 MADE UP ST", "zipcode": 94110, "lat": 37.744545, "long": -122.41436},
        {"service_request_id": "9002", "requested_datetime": "2019-06-28 05:15:00", "service_name": "Tree",
         "description": "made up", "address": None, "zipcode": None, "lat": 0.0, "long": 0.0},
    ]  # fmt: skip
    (folder / "open311" / "requests.json").write_text(json.dumps(rows))


def test_foreign_data_runs_end_to_end_to_the_views_and_is_reconciled(tmp_path: Path) -> None:
    write_data(tmp_path)
    out = StringIO()
    run(tmp_path, Console(file=out, width=160))
    said = out.getvalue()
    assert "reports.csv: 3 accepted, 0 refused" in said
    assert "rows.csv: 2 accepted, 0 refused" in said
    assert "requests.json: 2 accepted, 0 refused" in said
    assert "Reconciled: 7 intake records, each with exactly one outcome." in said
    lines = {line.split("│")[1].strip(): line for line in said.splitlines() if line.startswith("│")}
    assert [cell.strip() for cell in lines["petitions"].split("│")[2:5]] == ["3", "2", "1"]  # reports, matters, linked
    assert [cell.strip() for cell in lines["nyc311"].split("│")[2:4]] == ["2", "2"]
    assert "1.0" in lines["pairs_recall"]


def test_a_folder_without_any_of_it_is_an_error_that_names_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"petitions/reports\.csv"):
        data_files(tmp_path)
