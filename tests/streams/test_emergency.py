"""Danger to life in texts: made-up sentences of which each must, or must not, raise an emergency number."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.flows import Danger, Emergencies
from streams.emergency import DangerWords
from streams.routing import Router
from tests.streams.make import PROFILE, UNHURRIED, report

WORDS = DangerWords(PROFILE.emergencies)

#: number, text.
DANGER = """
119 我家楼下车棚着火了，快来人
119 幸福小区3号楼5楼起火，浓烟很大
119 山上着火了，风很大
119 仓库突然失火，里面还有人
119 厨房冒浓烟，已经烧起来了
119 隔壁单元发生火灾，请速来
119 楼道里电动车着火，有老人出不来
119 饭店煤气罐爆炸，有人受伤
119 家里有很浓的煤气味，怀疑漏气
119 燃气管道被挖断，天然气泄漏
119 小区楼道燃气泄漏，味道刺鼻
119 厨房煤气泄漏关不上阀门
119 我和孩子被困电梯里了，没有人来
119 电梯突然停了，老人被困在里面
119 有人落水，在石老人海边
119 小孩在水库溺水了
119 游客被海浪卷走
119 大人掉进井里爬不上来
119 以前也着过火，现在又着火了
119 去年刚交房，现在楼上着火了
119 没人管，垃圾堆着火了
119 樓上著火了，請快來
119 烧烤店着火了
119 广告牌着火，正往下掉
119 消防通道被堵，里面着火，消防车进不来
119 两名驴友被困山上，手机快没电了
110 有人站在楼顶要跳楼
110 邻居说不想活了，把门反锁了
110 再不发工资我就跳楼
110 我朋友发消息说要轻生
110 他扬言要自杀
110 女子在桥上想跳河
110 隔壁有人拿刀要砍人
110 一名男子持刀在超市门口
110 刚才有人持刀抢劫便利店
110 丈夫拿着菜刀追着妻子
110 门口打架，有人被捅伤
110 他说要和我们同归于尽
110 怀疑邻居绑架了孩子
110 孩子发来遗书，可能会跳楼
110 曾某持刀威胁邻居
110 未成年人要跳楼
120 老人煤气中毒了，叫不醒
120 一家三口一氧化碳中毒
120 路边有人昏迷不醒
120 老人晕倒在菜市场，没有呼吸
120 工人触电倒地
120 有人从脚手架坠楼
120 小孩误食，口吐白沫
120 妻子喝农药了
120 被狗咬伤，血流不止
120 父亲突发心梗，救护车进不来
120 前面出车祸，司机有生命危险
119 刚刚扑灭的火又着起来了
119 听到爆炸声，窗户都碎了
119 晚上八点左右，海边礁石上有人被困礁石
110 他曾经说过，现在真的要跳楼
119 报警：浓烟滚滚！地址是海尔路
120 工地上有人休克，请赶快
110 请救救我，我丈夫要杀人
119 三楼住户厨房火苗窜出来了，请派消防车
119 我们单元楼着大火，楼梯全是烟
119 车库内新能源汽车自燃
119 阳台上的东西燃起来了
119 海边有个小孩溺水，正在往外海漂
119 家里煤气漏了，一屋子味儿
119 老旧小区的煤气管断了在漏气，楼里老人多
119 电梯卡在8楼，两个孩子困在里面
110 有个男的在天台边上坐着，要往下跳
110 我老公喝醉了拿刀威胁我和孩子
110 邻居家传来求救声，说有人要杀她
110 我活着没意思，不想活了
110 学生在群里说今晚就自杀
110 有人拿着砍刀在街上追人
120 我爸晕过去了，叫不醒
120 施工现场有人从高处坠落，流血不止
120 老人摔倒头部大量出血
120 家里烧炭取暖，两个人中毒昏迷
120 有人触电了，倒在路边
119 有人掉海里了，栈桥东侧
119 出租屋电线短路起火，屋里有人
119 快递车在路边着火
119 小区电梯故障，一对夫妻被困在电梯内四十分钟
119 我家厨房漏燃气，头晕
119 地下车库冒浓烟看不见人
119 孩子掉进窨井，正在哭
119 渔船翻了，三人落水
119 楼下超市爆炸，玻璃碎一地
119 垃圾站大火，烧到旁边的树了
110 楼上有人持械斗殴
110 有个女孩坐在楼顶边缘要轻生
110 前夫闯进来，拿刀架在我脖子上
110 网友直播割腕
110 有人在便利店抢劫
110 债主把我儿子非法拘禁了
120 一名老人倒地昏迷，嘴唇发紫
119 儿童溺水救上来没有呼吸
120 同事突发心梗倒下了
120 邻居服毒，请派救护车
120 装修工触电，一动不动
"""
HARMLESS = """
咨询一下火灾保险怎么买
社区什么时候组织消防演练，模拟火灾逃生
小区开展防火宣传，讲解火灾逃生知识
去年这里发生过火灾，墙还没修
楼道堆放杂物，存在火灾隐患
飞线充电容易引发火灾
担心电动车起火，请求清理
万一着火消防车都进不来
如果发生火灾后果不堪设想
火灾报警器误报，天天响
煤气灶打不着火
我们一起火锅聚餐被噪声打扰
上周楼下着火，垃圾至今没人清
昨晚小区着火，已经扑灭，请清理现场
火已经扑灭了，路面的积水没人管
没有发生火灾，只是烟雾报警
并未起火，请核实
为防止火灾，请加强巡查
预防煤气中毒的宣传册何时发放
水库边没有防溺水警示牌
建议设置溺水警示标志
落水管断了，雨水流到阳台
落水口堵塞，路面积水
商场跳楼价促销喇叭扰民
跳楼机噪声太大
年轻生意人占道经营
他曾经轻生，现在想申请低保
前年有人在此跳海，建议加护栏
燃气泄漏报警器坏了，请求更换
燃气公司上门做泄漏检测态度差
电线裸露，有触电危险
路灯杆漏电，存在触电隐患
担心煤气泄漏，请上门检查
前几年工厂爆炸，赔偿一直没到位
楼下烧烤浓烟滚滚熏得睡不着
饭店油烟浓烟直排
秸秆焚烧浓烟污染空气
感谢消防员扑灭大火，送锦旗
电影里着火的场面吓到孩子
电视剧里有人持刀，孩子害怕
询问火灾后房屋鉴定找谁
之前着过火的房子一直没有拆
该处起火过两次，请加装设施
小区经常电梯困人，要求更换电梯
电梯多次困人，物业不修
广场舞噪声太大
垃圾桶满了没人清
停水两天了
暖气不热
退款一直不给
儿子拿刀切菜被菜刀质量问题坑了，要退货
大火车站前占道经营
老人晕倒后已送医，要求物业赔偿
无人溺水，请撤销
避免发生溺水事故，建议加护栏
消防车道被占，一旦起火无法救援
工人触电身亡的工伤认定问题
咨询安眠药能否报销
杜绝一氧化碳中毒，建议排查
上个月有人持刀抢劫，案子没结果
剧本杀店噪声扰民
我家热水器点不着火
小区门口烧烤摊烟大，生意火爆影响休息
消防栓没水，要是着火就麻烦了
去年那场火灾之后围墙一直没修
请问天然气泄漏应该打哪个电话
楼上空调滴水像下雨
物业把着火点附近的杂物清了，表示感谢
上个月楼下车棚烧了，至今未清理
孩子在学校被同学推倒擦伤，要求道歉
建议在水库边加装防护栏，防止有人溺水
网约车司机持刀的新闻让人担心，请加强管理
小区电梯经常坏，去年还困过人
煤气公司收费不合理
单位组织急救培训，教心脏骤停怎么急救
举报某店销售烟花爆竹
家中燃气热水器漏水
小区群里传言有人跳楼，请核实是否属实
咨询触电身亡赔偿标准
老人三年前脑出血，申请残疾补助
我父亲心梗住院，医保报销比例太低
停车场的灭火器过期了
某网吧游戏声音太大，打打杀杀吵人
商场火灾报警器坏了没人修
电动车在楼道充电，容易着火
消防演习噪声太大
三年前着火的仓库废墟无人清理
街边落水管破损，污水四溢
业主群谣传燃气泄漏，请辟谣
楼上装修把燃气管道包住了
邻居家狗咬人，要求处理
跳楼机设备老旧，请检查
请加强水库巡查，避免发生溺水
起火原因认定书什么时候能拿到
去年冬天煤气中毒的邻居要求补助
保安态度恶劣，扬言打我
医生误诊导致大出血，要求赔偿
公交司机昏昏欲睡驾驶
健身房跑路不退款，说爆炸性优惠
超市卖假刀具
烟花爆竹燃放扰民
希望学校开展防溺水教育
餐馆排烟管道油污多，怕着火
工厂烟囱冒浓烟污染
担心老人晕倒没人发现，请装呼叫器
"""
DANGERS = [tuple(line.split(" ", 1)) for line in DANGER.strip().splitlines()]
HARMLESSES = HARMLESS.strip().splitlines()


@pytest.mark.parametrize(("number", "text"), DANGERS)
def test_danger_to_life_is_told_with_the_number_that_must_hear_of_it(number: str, text: str) -> None:
    assert WORDS.number(text) == number


@pytest.mark.parametrize("text", HARMLESSES)
def test_what_is_past_feared_denied_over_or_only_sounds_alike_is_no_danger(text: str) -> None:
    assert WORDS.number(text) is None


def test_both_lists_are_long_enough_to_mean_something() -> None:
    assert len(DANGERS) >= 60
    assert len(HARMLESSES) >= 60
    assert {number for number, _ in DANGERS} == {"110", "119", "120"}


@pytest.mark.parametrize(("number", "text"), DANGERS[::7])
def test_a_polite_long_letter_around_it_hides_no_danger(number: str, text: str) -> None:
    before = "尊敬的领导您好。我是附近居民，这里路灯去年坏过，没有人修。"
    assert WORDS.number(f"{before}{text}。望尽快处理，谢谢！") == number


def test_the_first_row_of_the_profile_decides_between_two_numbers() -> None:
    assert WORDS.number("楼上着火了，有人昏迷") == "119"
    turned = Emergencies(PROFILE.emergencies.dangers[::-1], PROFILE.emergencies.cues)
    assert DangerWords(turned).number("楼上着火了，有人昏迷") == "120"


def test_a_profile_without_words_finds_nothing() -> None:
    assert DangerWords(Emergencies()).number("着火了") is None


def test_a_word_of_parts_holds_where_they_stand_near_each_other_in_order() -> None:
    words = DangerWords(Emergencies((Danger("119", ("电梯+被困",), ()),)))
    assert words.number("电梯里有三人被困") == "119"
    assert words.number("被困，电梯") is None
    assert words.number("电梯维修公司的人一直不来我们单元也没有谁被困") is None


@UNHURRIED
@given(st.text(alphabet="着火起灾没有曾去年，。！,了\n 过被困电梯+轻生年刀", max_size=60))
def test_any_text_gets_one_of_the_numbers_or_none_and_the_same_every_time(text: str) -> None:
    assert WORDS.number(text) in (None, "110", "119", "120")
    assert WORDS.number(text) == WORDS.number(text)


def test_the_made_up_year_raises_no_alarm_without_cause() -> None:
    """The sample's texts tell no danger to life on purpose: an alarm in them is one too many."""
    texts = (Path(PROFILE.folder) / "sample.toml").read_text(encoding="utf-8").splitlines()
    raised = [line for line in texts if WORDS.number(line)]
    assert len(raised) <= len(texts) / 100, raised


def test_a_report_of_praise_is_never_an_emergency() -> None:
    router = Router(PROFILE)
    text = {"title": "楼上着火", "content": "楼上着火了，消防员三分钟就到"}
    assert router.route(report(appeal_type="praise", **text)).emergency is None
    called = router.route(report(appeal_type="help", **text))
    assert (called.emergency, called.priority, called.priority_reasons) == ("119", "top", ("emergency",))


def test_a_long_letter_is_read_at_its_head_and_its_end() -> None:
    router, filler = Router(PROFILE), "路灯坏了没有人修，" * 60
    told = [
        router.route(report(title="", content=content)).emergency
        for content in (f"楼上着火了。{filler}", f"{filler}再不处理我就跳楼。", f"{filler}楼上着火了。{filler}")
    ]
    assert told == ["119", "110", None]
