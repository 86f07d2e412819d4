"""Names of persons in a text, where the text itself says that a name follows: 姓名：X, 联系人X, 我叫X.

Names elsewhere can't be told from other words without a dictionary of everything; 0007-personal-data.md says so.
"""

import re
from typing import Final

_SURNAMES: Final = (
    "欧阳|太史|端木|上官|司马|东方|独孤|南宫|万俟|闻人|夏侯|诸葛|尉迟|公羊|赫连|澹台|皇甫|宗政|濮阳|公冶|太叔|申屠|公孙|慕容|仲孙|钟离|长孙|宇文|司徒|鲜于|司空|闾丘"
    "|令狐|百里|呼延|东郭|南门|西门"
    "|["
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏窦章苏潘葛奚范彭郎鲁韦昌马苗凤花俞任袁柳酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安乐傅皮卞齐康伍余元卜顾孟黄穆萧尹姚邵汪祁毛禹狄米"
    "贝臧计伏戴宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席麻贾娄危江童颜郭梅盛林刁钟徐邱骆夏蔡田樊胡凌霍虞万柯管卢莫经裘缪丁宣邓郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁荀甄芮羿储靳汲糜松井段富巫乌焦巴弓牧隗谷侯宓蓬全"
    "郗仰仲伊宁仇栾甘厉戎祖武符刘景詹束龙叶幸司韶郜黎蓟薄印宿怀蒲邰鄂索咸籍赖卓蔺屠蒙池乔胥苍闻莘翟谭贡劳逄姬申冉宰郦雍桑桂濮牛寿边扈燕冀郏浦尚农温庄晏柴瞿阎慕连茹习艾鱼容古易慎戈廖庾终暨衡步都耿满弘匡寇广"
    "禄阙殳沃利蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾母沙乜养鞠丰巢关蒯相查荆红游竺权逯盖益桓闫肖佟付代原苑党亓仝于方高白路车水成常明解岳楚覃矫綦尉迟訚尧郇牟孛鹿仉官展"
    "]"
)
#: Surnames that as often begin an everyday word: in running text they count before a mark, a digit or the end only.
_DOUBTFUL: Final = frozenset(
    "于方高白路车水成常明安乐康和时从应全都相经单终满空容易古利越隆师红游关原代付解曾连温项柴计伏管包左石松富印怀广那简益幸花向"
)
_HAN: Final = "\u4e00-\u9fff\u3400-\u4dbf"
TITLES: Final = "先生|女士|小姐|同志|老师|师傅|大爷|大妈|阿姨"
_ENDS: Final = (
    rf"(?=[^{_HAN}·]|$|{TITLES}|电话|手机|座机|联系|来电|反映|反应"
    "|称|说|表示|要求|报警|报称|投诉|举报|咨询|求助|诉|身份证|住|性别|男|女)"
)
_WHO: Final = (
    "姓名|名字|联系人|来电人|报警人|报案人|投诉人|举报人|反映人|诉求人|求助人|申请人|当事人|经办人|收件人|寄件人|户主|机主|车主|业主|房东|租户|租客|法人|法定代表人|负责人"
    "|患者|家属|监护人|委托人|驾驶员|司机"
)
_SPEAKS: Final = "姓名|名字|联系人|来电人|报警人|报案人|投诉人|举报人|反映人|诉求人|求助人|申请人|我叫|名叫|叫做|我是"
_NAMED: Final = re.compile(
    # 姓名：X, where the text sets the name off itself.
    rf"(?:{_WHO})(?:姓名|名字)?(?:[ \t]*[(（][{_HAN}]{{1,6}}[)）])?[ \t\u3000]*[:：=][ \t\u3000]*"
    rf"(?P<field>(?:{_SURNAMES})[{_HAN}·]{{1,3}}?{_ENDS}|[{_HAN}·]{{2,4}}(?![{_HAN}·])|(?:{_SURNAMES})[{_HAN}]{{2}}"
    r"|[A-Z][A-Za-z]{1,20}(?: [A-Z][A-Za-z]{1,20}){1,3})"
    # 联系人X in running text: only with a surname in front and a word behind that ends a name.
    rf"|(?P<cue>{_SPEAKS})(?:姓名|名字|是|为|叫)?[ \t\u3000]*(?P<spoken>(?:{_SURNAMES})[{_HAN}]{{1,2}}?{_ENDS})"
)
_MAYBE: Final = re.compile(f"{_WHO}|{_SPEAKS}")
#: A text with none of these names nobody.
CUE_STARTS: Final = "".join(sorted({word[0] for word in f"{_WHO}|{_SPEAKS}".split("|")}))
_HAN_NEXT: Final = re.compile(f"[{_HAN}]")
_HAN_PART: Final = re.compile(f"[{_HAN}·]{{2,}}")
_TITLE: Final = re.compile(f"(?:{TITLES})$")
#: Words that stand where a name may stand and are nobody's name.
_NOBODY: Final = frozenset(
    (
        "无", "不详", "业主", "保密", "先生", "匿名", "同上", "同志", "女士", "姓名",
        "小姐", "居民", "市民", "我是", "手机", "方便", "方式", "无名", "暂无", "未知",
        "本人", "村民", "某某", "没有", "游客", "用户", "电话", "系统", "网友", "群众",
        "解释", "路人", "和电话", "报警人", "未提供", "来电人", "不愿提供", "不愿透露", "拒绝提供", "热心市民",
        "高度重视",
    )
)  # fmt: skip


def find_names(text: str) -> list[tuple[int, int, str]]:
    """Start, end and name of each person that the text names as such, in order."""
    names: list[tuple[int, int, str]] = []
    at = 0
    # The whole pattern tried at each place of a text would cost several times as much.
    while cue := _MAYBE.search(text, at):
        found = _NAMED.match(text, cue.start())
        at = found.end() if found else cue.start() + 1
        if not found:
            continue
        what = found.lastgroup or ""
        name, end = found[what], found.end(what)
        if name in _NOBODY:
            continue
        if what == "spoken" and name[0] in _DOUBTFUL and (found["cue"] == "我是" or _HAN_NEXT.match(text, end)):
            continue
        names.append((found.start(what), end, name))
    return names


def names_in_field(name: str) -> list[str]:
    """What of a name field stands for a person in a text, longest first: the whole, and it without titles or additions."""
    names = {name, _TITLE.sub("", name), *_HAN_PART.findall(name)}
    good = [part for part in names if len(part) >= 2 and part not in _NOBODY]
    return sorted(good, key=lambda part: (-len(part), part))
