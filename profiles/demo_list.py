"""Makes agencies and responsibility list of the demonstration profile: `python -m profiles.demo_list profiles/demo`.

All of it is MADE UP: who leads on what, by when and on what legal basis describes no real deployment. The same places.csv,
areas.geojson and seed give the same bytes.
"""

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from profiles.files import read_rows
from profiles.sample.draw import Draw

SEED: Final = 4594
TOP: Final = "zhongxin"
#: Department, name in Chinese and English.
DEPARTMENTS: Final = (
    (TOP, "区社会治理服务中心", "Social Governance Centre"),
    ("zhifa", "综合行政执法局", "Urban Management Bureau"),
    ("zhujian", "住房和城乡建设局", "Housing and Construction Bureau"),
    ("gongyong", "市政公用服务中心", "Municipal Utilities Centre"),
    ("shuiwu", "水务集团", "Water Company"),
    ("gongdian", "供电公司", "Power Company"),
    ("ranqi", "燃气集团", "Gas Company"),
    ("redian", "热电集团", "Heating Company"),
    ("jiaotong", "交通运输局", "Transport Bureau"),
    ("yuanlin", "园林绿化中心", "Parks Centre"),
    ("huanwei", "环卫中心", "Sanitation Centre"),
    ("shengtai", "生态环境分局", "Environment Bureau"),
    ("shichang", "市场监督管理局", "Market Regulation Bureau"),
    ("renshe", "人力资源和社会保障局", "Labour Bureau"),
    ("weijian", "卫生健康局", "Health Bureau"),
    ("jiaoyu", "教育和体育局", "Education Bureau"),
    ("wenlv", "文化和旅游局", "Culture and Tourism Bureau"),
    ("gongan", "公安分局", "Police"),
    ("xiaofang", "消防救援大队", "Fire Service"),
    ("yingji", "应急管理局", "Emergency Bureau"),
    ("sifa", "司法局", "Justice Bureau"),
    ("youzheng", "邮政管理办公室", "Postal Office"),
    ("shenpi", "行政审批服务局", "Approvals Bureau"),
    ("haiyang", "海洋发展局", "Marine Bureau"),
    ("fayuan", "人民法院", "Court"),
    ("jianchayuan", "人民检察院", "Procuratorate"),
    ("xinli", "社会心理服务中心", "Counselling Centre"),
    ("zhiyuan", "志愿服务协会", "Volunteers' Association"),
)
#: Department above the teams of each profession's grids.
PROFESSIONS: Final = {
    "公安": "gongan",
    "应急": "yingji",
    "综合执法": "zhifa",
    "市场监管": "shichang",
    "消防": "xiaofang",
    "生态环境": "shengtai",
    "交通": "jiaotong",
    "卫生健康": "weijian",
}


class Duty(NamedTuple):
    """One kind. unit: department, or @grid, @community, @street. co: departments from which co-handlers are drawn.

    fine: a row for every community too. general: a row for places nobody knows the street of.
    """

    kind: str
    unit: str
    limits: str
    co: str = ""
    fine: bool = False
    general: bool = True


DUTIES: Final = (
    Duty("noise", "zhifa", "5 work_day", "gongan|shengtai", fine=True),
    Duty("construction_noise", "zhifa", "停工:4 work_hour|处理:5 work_day", "zhujian|shengtai"),
    Duty("heating", "redian", "到场:4 urgent_hour|恢复:24 urgent_hour", "zhujian", fine=True),
    Duty("water_supply", "shuiwu", "到场:4 urgent_hour|恢复:24 urgent_hour", "gongyong"),
    Duty("power", "gongdian", "到场:2 urgent_hour|恢复:24 urgent_hour", "yingji"),
    Duty("gas", "ranqi", "到场:0.5 urgent_hour|排除:2 urgent_hour", "xiaofang|yingji"),
    Duty("drainage", "gongyong", "到场:1 urgent_hour|排除:4 urgent_hour", "shuiwu|yingji", fine=True),
    Duty("road_damage", "gongyong", "5 work_day", "jiaotong"),
    Duty("manhole", "gongyong", "围挡:1 urgent_hour|修复:4 urgent_hour", "shuiwu|gongdian"),
    Duty("street_light", "gongyong", "5 work_day", "gongdian", fine=True),
    Duty("garbage", "@grid", "4 work_hour", "huanwei", fine=True, general=False),
    Duty("construction_waste", "zhifa", "4 work_hour", "zhujian|huanwei"),
    Duty("dirty_road", "huanwei", "5 work_hour", "zhifa|jiaotong"),
    Duty("green_space", "yuanlin", "5 work_day", "zhifa", fine=True),
    Duty("illegal_building", "zhifa", "停工:4 work_hour|处罚:7 work_day|拆除:15 work_day", "zhujian", fine=True),
    Duty("street_vendor", "@street", "4 work_hour", "@综合执法", fine=True),
    Duty("shop_encroach", "@street", "7 work_hour", "@综合执法|shichang", fine=True),
    Duty("small_ads", "@grid", "4 work_hour", "@综合执法", fine=True, general=False),
    Duty("signboard", "zhifa", "5 work_day", "shichang"),
    Duty("car_parking", "gongan", "2 urgent_hour", "zhifa|jiaotong"),
    Duty("bike_parking", "@grid", "4 work_hour", "zhifa|jiaotong", fine=True, general=False),
    Duty("open_fire", "@street", "2 urgent_hour", "@综合执法|@消防", fine=True, general=False),
    Duty("oil_fume", "shengtai", "5 work_day", "zhifa|shichang"),
    Duty("dust", "zhujian", "5 work_day", "shengtai|zhifa"),
    Duty("water_pollution", "shengtai", "到场:4 work_hour|处理:5 work_day", "shuiwu|haiyang"),
    Duty("stray_dog", "@community", "5 work_day", "@公安|zhifa", fine=True, general=False),
    Duty("property_mgmt", "@street", "5 work_day", "zhujian", fine=True, general=False),
    Duty("elevator", "shichang", "到场:0.5 urgent_hour|修复:5 work_day", "zhujian|xiaofang", fine=True),
    Duty("fire_safety", "xiaofang", "5 work_day", "@消防|yingji", fine=True),
    Duty("consumer", "shichang", "5 work_day", "@市场监管"),
    Duty("online_shopping", "shichang", "5 work_day", "@市场监管"),
    Duty("parcel", "youzheng", "5 work_day", "shichang"),
    Duty("wages", "renshe", "5 work_day", "zhujian|sifa"),
    Duty("rental", "@community", "7 natural_day", "zhujian|@公安", fine=True, general=False),
    Duty("neighbour", "@community", "7 natural_day", "sifa|@公安", fine=True, general=False),
    Duty("family", "@community", "7 natural_day", "sifa|xinli", fine=True, general=False),
    Duty("debt", "sifa", "5 work_day", "fayuan"),
    Duty("medical", "weijian", "5 work_day", "@卫生健康"),
    Duty("school", "jiaoyu", "10 work_day"),
    Duty("bus", "jiaotong", "5 work_day"),
    Duty("taxi", "jiaotong", "5 work_day", "@交通"),
    Duty("tourism", "wenlv", "5 work_day", "shichang|haiyang"),
    Duty("forest_fire", "yingji", "2 urgent_hour", "@应急|@消防"),
    Duty("fireworks", "yingji", "2 urgent_hour", "gongan|@消防"),
    Duty("crowd", "gongan", "1 urgent_hour", "@公安"),
    Duty("business_env", "shenpi", "5 work_day", "shichang"),
)
#: Who takes these kinds from these feeds, and by when.
BY_FEED: Final = {
    **{
        (kind, "police110"): ("@community", "24 urgent_hour")
        for kind in ("noise", "property_mgmt", "rental", "neighbour", "family", "debt")
    },
    **{(kind, "citymgmt"): ("@grid", "7 work_hour") for kind in ("road_damage", "garbage", "construction_waste")},
}
#: Kinds that happen on the water, and who leads there.
AT_SEA: Final = {"water_pollution": "haiyang", "garbage": "haiyang", "tourism": "haiyang", "noise": "haiyang"}
#: Where a department also takes what this feed sends.
PARTNER: Final = {"police110": "gongan", "citymgmt": "zhifa"}
#: Department to which a street's office falls back where the street is not known.
FALLBACK: Final = {"@street": "zhifa"}


class _Row(NamedTuple):
    kind: str
    area: str
    feed: str
    agency: str
    co_agencies: tuple[str, ...]
    level: str
    limits: str


def agency_rows(folder: Path) -> Iterator[tuple[str, ...]]:
    """Rows of agencies.csv."""
    for code, name, english in DEPARTMENTS:
        yield code, name, english, "district", "*", "" if code == TOP else TOP
    communities = [row for _, row in read_rows(folder / "places.csv", _PLACES)]
    for street, name in {row["street_code"]: row["street"] for row in communities}.items():
        short, number = name.removesuffix("街道"), street[-3:]
        yield f"jd{number}", name, f"Street office {number}", "street", street, TOP
        yield (
            f"sq{number}",
            f"{short}各社区服务站",
            f"Communities of street {number}",
            "community",
            street,
            f"jd{number}",
        )
        yield f"wg{number}", f"{short}网格服务队", f"Grid teams of street {number}", "grid", street, f"jd{number}"
    for row in communities:
        code, street, name = row["community_code"], row["street_code"], row["community"]
        full = f"{row['street'].removesuffix('街道')}·{name}"
        yield f"sq{code}", f"{full}居委会", f"Community {code}", "community", code, f"jd{street[-3:]}"
        yield f"wg{code}", f"{full}网格服务队", f"Grid team of community {code}", "grid", code, f"sq{code}"
    for feature in json.loads((folder / "areas.geojson").read_text(encoding="utf-8"))["features"]:
        area = feature["properties"]
        if area["kind"] == "professional_grid":
            english = f"Team of professional grid {area['code']}"
            yield (
                f"zy{area['code']}",
                f"{area['name']}服务队",
                english,
                "grid",
                area["code"],
                PROFESSIONS[area["profession"]],
            )


_PLACES: Final = ("community_code", "community", "street_code", "street")


def list_rows(folder: Path, seed: int = SEED) -> Iterator[tuple[str, ...]]:
    """Rows of responsibility.csv."""
    draw = Draw(seed)
    communities = [row for _, row in read_rows(folder / "places.csv", _PLACES)]
    numbered = enumerate((row for duty in DUTIES for row in _of_kind(duty, communities, draw)), start=1)
    for number, row in numbered:
        chapter = 1 + [duty.kind for duty in DUTIES].index(row.kind)
        basis = f"示范区诉求解决责任清单（虚构）第{chapter}章第{draw.between(1, 60)}条"
        yield (
            f"R{number:04d}",
            row.kind,
            row.area,
            row.feed,
            row.agency,
            "|".join(row.co_agencies),
            row.level,
            row.limits,
            basis,
        )


def _of_kind(duty: Duty, communities: list[dict[str, str]], draw: Draw) -> Iterator[_Row]:
    pool = [unit for unit in duty.co.split("|") if unit]
    streets = list(dict.fromkeys(row["street_code"] for row in communities))
    level = _level(duty.unit)

    def helpers(lead: str, *more: str) -> tuple[str, ...]:
        drawn = draw.shuffled(pool)[: draw.between(1, 2)]
        return tuple(unit for unit in dict.fromkeys((*drawn, *more)) if unit != lead)

    if duty.general:
        lead = FALLBACK.get(duty.unit, duty.unit)
        yield _Row(duty.kind, "*", "*", lead, tuple(unit for unit in pool if unit != lead), "district", duty.limits)
    if duty.kind in AT_SEA:
        lead = AT_SEA[duty.kind]
        yield _Row(duty.kind, "sea", "*", lead, helpers(lead), "district", duty.limits)
    feeds = [feed for kind, feed in BY_FEED if kind == duty.kind]
    for street in streets:
        yield _Row(duty.kind, street, "*", duty.unit, helpers(duty.unit, *_local(duty.unit)), level, duty.limits)
        for feed in feeds:
            unit, limits = BY_FEED[duty.kind, feed]
            yield _Row(duty.kind, street, feed, unit, helpers(unit), _level(unit), limits)
        for feed, partner in PARTNER.items():
            if feed not in feeds and level == "district" and partner != duty.unit:
                co = helpers(duty.unit, partner, "@street")
                yield _Row(duty.kind, street, feed, duty.unit, co, level, duty.limits)
    if not duty.fine:
        return
    for row in communities:
        code, office = row["community_code"], f"jd{row['street_code'][-3:]}"
        own = {"@grid": f"wg{code}", "@community": f"sq{code}", "@street": office}
        lead = own.get(duty.unit, duty.unit)
        yield _Row(duty.kind, code, "*", lead, helpers(lead, f"sq{code}"), level, duty.limits)
        for feed in feeds:
            unit, limits = BY_FEED[duty.kind, feed]
            lead = own[unit]
            yield _Row(duty.kind, code, feed, lead, helpers(lead), _level(unit), limits)


def _level(unit: str) -> str:
    return unit[1:] if unit.startswith("@") else "district"


def _local(unit: str) -> tuple[str, ...]:
    """A department does not act in a street without its office."""
    return () if unit.startswith("@") else ("@street",)


def _text(header: str, rows: Iterator[tuple[str, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return out.getvalue()


def made_files(folder: Path) -> dict[str, str]:
    """The text of each file that is made, by its name."""
    return {
        "agencies.csv": _text("code,name_zh,name_en,level,area,parent", agency_rows(folder)),
        "responsibility.csv": _text(
            "row,matter_kind,area,feed,agency,co_agencies,level,limits,basis", list_rows(folder)
        ),
    }


def main() -> None:
    """Writes the files into the folder named on the command line."""
    folder = Path(sys.argv[1])
    for name, text in made_files(folder).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{folder / name}: {text.count(chr(10)) - 1:,} rows, made up.")


if __name__ == "__main__":
    main()
