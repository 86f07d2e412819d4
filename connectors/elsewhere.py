"""Whether the words before a place's name say that it is another county's, or that the matter is not there."""

import re
from typing import Final

#: Characters before a name that are looked at.
REACH: Final = 12

# Provinces and large cities after the digits that their counties' codes begin with (GB/T 2260).
_ROWS: Final = (
    "11北京 12天津 13河北 1301石家庄 14山西 1401太原 15内蒙古 1501呼和浩特 21辽宁 2101沈阳 2102大连 22吉林 2201长春 "
    "23黑龙江 2301哈尔滨 31上海 32江苏 3201南京 3205苏州 33浙江 3301杭州 3302宁波 34安徽 3401合肥 35福建 3501福州 "
    "3502厦门 36江西 3601南昌 37山东 3701济南 3702青岛 3703淄博 3704枣庄 3705东营 3706烟台 3707潍坊 3708济宁 3709泰安 "
    "3710威海 3711日照 3713临沂 3714德州 3715聊城 3716滨州 3717菏泽 41河南 4101郑州 42湖北 4201武汉 43湖南 4301长沙 "
    "44广东 4401广州 4403深圳 45广西 4501南宁 46海南 4601海口 50重庆 51四川 5101成都 52贵州 5201贵阳 53云南 5301昆明 "
    "54西藏 5401拉萨 61陕西 6101西安 62甘肃 6201兰州 63青海 6301西宁 64宁夏 6401银川 65新疆 6501乌鲁木齐"
)
_CODES: Final = {name: code for code, name in re.findall(r"(\d+)(\D+?)(?: |$)", _ROWS)}
_NAMED: Final = re.compile(rf"({'|'.join(_CODES)})[省市](?:[\u4e00-\u9fff]{{1,3}}[市区县]){{0,2}}$")
_DENIED: Final = re.compile("(?:(?<!是)不是|并非|不在|不属于|不归)$")


def is_elsewhere(before: str, county_code: str) -> bool:
    """Whether a name after `before` (西安市, 不是) is no place of this county.

    A district alone (市南区) tells nothing: a profile does not say what its own one is called.
    """
    if _DENIED.search(before):
        return True
    found = _NAMED.search(before)
    return found is not None and not county_code.startswith(_CODES[found[1]])
