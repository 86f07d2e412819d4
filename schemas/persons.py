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
    "禄阙殳沃利蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾母沙乜养鞠丰巢关蒯相查荆红游竺权逯盖益桓闫肖佟付代原苑党亓仝于方高白路车水成常明解岳楚覃矫綦尉迟訚尧郇牟孛鹿仉官展曲隋丛兰涂苟佘麦栗粟冼时应向从和"
    "]"
)
#: Surnames that as often begin an everyday word: in running text they count before a mark, a digit or the end only.
_DOUBTFUL: Final = frozenset(
    "于方高白路车水成常明安乐康和时从应全都相经单终满空容易古利越隆师红游关原代付解曾连温项柴计伏管包左石松富印怀广那简益幸花向"
)
_HAN: Final = "\u4e00-\u9fff\u3400-\u4dbf"
TITLES: Final = "先生|女士|小姐|同志|老师|师傅|大爷|大妈|阿姨"
_SAYS: Final = (
    f"{TITLES}|电话|手机|座机|联系|来电|反映|反应|称|说|表示|要求|报警|报称|投诉|举报|咨询|求助|诉|身份证|住|性别|男|女"
)
_ENDS: Final = rf"(?=[^{_HAN}·]|$|{_SAYS})"
#: What may follow a surname with two more characters, too; after one more it would end everyday words (来电人周末在家).
_GOES_ON: Final = r"(?=[于在因对向到与和他她]|[今昨][天日年晚])"
#: Words before which any two to four characters stand for a person.
_PERSONS: Final = (
    "姓名|名字|联系人|来电人|报警人|报案人|投诉人|举报人|求助人|申请人|当事人|收件人|寄件人|法定代表人|法人代表"
    "|监护人|委托人"
)
#: Words before which a sentence as often stands (司机：态度恶劣): a name begins with a surname there.
_ROLES: Final = "反映人|诉求人|经办人|户主|机主|车主|业主|房东|租户|租客|法人|负责人|患者|家属|驾驶员|司机"
_SPEAKS: Final = "姓名|名字|联系人|来电人|报警人|报案人|投诉人|举报人|反映人|诉求人|求助人|申请人|我叫|名叫|叫做|我是"
_POINTS: Final = "·•・‧∙"
#: 买买提·吐尔逊; where nothing tells its end, no more than four characters after the point.
_POINTED: Final = (
    rf"[{_HAN}]{{1,8}}+(?:[{_POINTS}][{_HAN}]{{1,8}}+){{0,2}}[{_POINTS}](?:[{_HAN}]{{1,8}}?{_ENDS}|[{_HAN}]{{1,4}})"
)
_SPACED: Final = (
    rf"(?:{_SURNAMES})(?:(?:[ \u3000]{{1,2}}[{_HAN}](?![{_HAN}])){{1,2}}"
    rf"|[ \u3000]{{1,2}}(?!{_SAYS})[{_HAN}]{{2}}(?![{_HAN}]))"
)
_SET_OFF: Final = rf"(?:姓名|名字)?(?:[ \t]*[(（][{_HAN}]{{1,6}}[)）])?[ \t\u3000]*[:：=][ \t\u3000]*"
_NAMED: Final = re.compile(
    # 姓名：X, where the text sets the name off itself.
    rf"(?:{_PERSONS}){_SET_OFF}"
    rf"(?P<field>{_POINTED}|{_SPACED}|(?:{_SURNAMES})[{_HAN}]{{1,3}}?{_ENDS}|[{_HAN}]{{2,4}}(?![{_HAN}])|(?:{_SURNAMES})[{_HAN}]{{2}}"
    r"|[A-Z][A-Za-z]{1,20}(?: [A-Z][A-Za-z]{1,20}){1,3})"
    rf"|(?:{_ROLES}){_SET_OFF}(?P<role>{_POINTED}|{_SPACED}|(?:{_SURNAMES})[{_HAN}]{{1,2}}?{_ENDS}|(?:{_SURNAMES})[{_HAN}]{{2}}"
    r"|[A-Z][A-Za-z]{1,20}(?: [A-Z][A-Za-z]{1,20}){1,3})"
    # 联系人X in running text: only with a surname in front and a word behind that ends a name.
    rf"|(?P<cue>{_SPEAKS})(?:姓名|名字|是|为|叫)?[ \t\u3000]*"
    rf"(?P<spoken>{_POINTED}|(?:{_SURNAMES})(?:[{_HAN}]{{1,2}}?{_ENDS}|[{_HAN}]{{2}}{_GOES_ON}))"
)
#: 、李红 after a name.
_ANOTHER: Final = re.compile(
    rf"[ \t\u3000]?[、/／和与及&＆][ \t\u3000]?(?P<name>{_POINTED}|(?:{_SURNAMES})[{_HAN}]{{1,2}}?{_ENDS})"
)
_CUES: Final = "|".join(dict.fromkeys(f"{_PERSONS}|{_ROLES}|{_SPEAKS}".split("|")))
_MAYBE: Final = re.compile(_CUES)
#: A text with none of these names nobody.
CUE_STARTS: Final = "".join(sorted({word[0] for word in _CUES.split("|")}))
_HAN_NEXT: Final = re.compile(f"[{_HAN}]")
_HAN_PART: Final = re.compile(f"[{_HAN}{_POINTS}]{{2,}}")
_SAYS_NEXT: Final = re.compile(_SAYS)
_POINT: Final = re.compile(f"[{_POINTS}]")
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
#: Words that begin with what is a surname, too: its first character with each that follows it (高度, 高龄). Not a name where
#: the text goes on after them.
_EVERYDAY_ROWS: Final = (
    "方便面法式案可才 高度龄层空温考价声 白天色白 路人过面边上口灯段途 车主辆位库上内速 水管务压质 成功员立为年 "
    "常年常用 明确显天年知明 安排装全 乐意 康复 "
    "和谐邻家物业居其他她我多同对小丈妻老父母孩开商公社该解平周楼房朋村女儿电手联地现 时常间候段隔 "
    "从未来此事小今去昨上前早物家该不没外楼 应该当急属 全家体部程市都额天面 都是在有没不 相关信应邻继 "
    "经常过营济理核查多办 单位独元方 终于止身 满意足 空调间 容易 利用益 师傅生 游客玩 红色灯 关于心注闭系 "
    "原来因本告先定 代表理为办付 付款费出清 解决释除约 曾经多向反投在于到去打致来与和就因要 连续夜忙日同 温度馨暖 项目 "
    "计划算 管理道委 包括工含 左右侧 怀疑孕 广大场告 那里边个么天 简单称 幸好 花费园钱 古城镇 随时 "
    "于今昨前近上本早下晚当去同明周多此是我该 "
    "向物社街居相该我有政派公开商学市区城执环住交多各其他她上本前法房业村县省单银客门对您你热平 施工 许多可 马上路 "
    "严重格禁 万分一 金额 周围边末一二三四五六日 毛坯 何时人处 张贴 黄色 钱款财 任何意性 房屋租东产款 强烈制行 "
    "家里 费用 祝愿 余款额 冷暖气 居委 胡乱 祖孙 雷雨 莫名 符合 顾客及虑 尚未 蓝色 童年 武断 宣传 景区 束手 "
    "习惯 步行骤 欢迎 国家有 来自 修理路缮"
)
_EVERYDAY: Final = frozenset(row[0] + second for row in _EVERYDAY_ROWS.split() for second in row[1:])


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
        name = found[what]
        if name in _NOBODY or (what != "field" and _is_everyday(text, what, name, found.end(), found["cue"])):
            continue
        names.append((found.start(what), at, name))
        while (another := _ANOTHER.match(text, at)) and not _is_everyday(
            text, "role", another["name"], another.end(), ""
        ):
            at = another.end()
            names.append((another.start("name"), at, another["name"]))
    return names


def _is_everyday(text: str, what: str, name: str, end: int, cue: str | None) -> bool:
    """Whether what stands where a name may stand is more likely another word."""
    if _POINT.search(name):
        return False
    followed = _HAN_NEXT.match(text, end) is not None
    if name[:2] in _EVERYDAY:
        return what == "role" or cue == "我是" or followed
    return name[0] in _DOUBTFUL and (cue == "我是" or (followed and not _SAYS_NEXT.match(text, end)))


def names_in_field(name: str) -> list[str]:
    """What of a name field stands for a person in a text, longest first: the whole, and it without titles or additions.

    Of a name with points also its parts, and it without the points.
    """
    names = {name, _TITLE.sub("", name), *_HAN_PART.findall(name)}
    for pointed in [part for part in names if _POINT.search(part)]:
        names |= {_POINT.sub("", pointed), *_POINT.split(pointed)}
    good = [part for part in names if len(part) >= 2 and part not in _NOBODY]
    return sorted(good, key=lambda part: (-len(part), part))
