"""A brain with made-up answers, to test what HTTP and the page make of them."""

import math
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from monitoring.screen import BrainUnavailableError, Deployment
from monitoring.screen.brain import MATTERS as MOST
from monitoring.screen.brain import (
    AreaCount,
    Curve,
    DayCount,
    FeedCount,
    HotPoint,
    LevelLoad,
    ManualQueue,
    MergedMatter,
    OpenAlert,
    OpenAlerts,
    OverdueCase,
    Season,
    Tiered,
    Tiers,
    Workload,
)
from monitoring.screen.drill import HEADLINES, Cases, Found, Wanted, cases_query, figure_query, shown
from monitoring.screen.period import Period

NOW = datetime(2026, 1, 1, 2, 3, 4, tzinfo=UTC)
LAST = date(2025, 12, 31)

DEPLOYMENT = Deployment(
    name_zh="示范区",
    name_en="Demonstration district",
    made_up=True,
    timezone="Asia/Shanghai",
    respond_within_hours=24,
    basic_satisfied_weight=0.6,
    feeds={
        "hotline12345": "12345政务服务便民热线",
        "police110": "110非警务警情",
        "citymgmt": "数字化城管",
        "video": "视频告警平台",
        "wechat": "微信公众号",
        "other": "其他渠道（标准JSON）",
    },
)


@dataclass(frozen=True)
class FakeFigure:
    """As sinks.kpi.Figure."""

    name: str
    numerator: float
    denominator: float
    rate: float | None


def figure(name: str, numerator: float, denominator: float) -> FakeFigure:
    """A share; null over zero."""
    return FakeFigure(name, numerator, denominator, numerator / denominator if denominator else None)


@dataclass
class FakeBrain:
    """Answers from its fields; counts the askings and the most that ran at one time."""

    first: date | None = date(2025, 1, 1)
    down: str | None = None
    askings: int = 0
    at_once: int = 0
    most_at_once: int = 0
    figures: list[FakeFigure] = field(
        default_factory=lambda: [
            FakeFigure("accepted", 26_722, 26_722, None),
            figure("responded", 26_389, 26_390),
            figure("on_time", 25_417, 25_930),
            figure("closed", 25_912, 26_722),
            figure("solved", 17_824, 18_756),
            figure("satisfied", 15_932.4, 16_710),
            figure("in_grid", 20_445, 25_912),
            figure("repeats", 3_847, 26_722),
        ]
    )
    matters: list[MergedMatter] = field(default_factory=lambda: list(MATTERS))
    load: Workload = field(default_factory=lambda: WORKLOAD)
    open_alerts: OpenAlerts = field(default_factory=lambda: ALERTS)
    late: list[OverdueCase] = field(default_factory=lambda: list(LATE))
    hot: list[HotPoint] = field(
        default_factory=lambda: [
            HotPoint("callers", "heating", "供暖供热", "Heating", "370212001002", 120.445, 36.112, 9, 6, None)
        ]
    )
    tiered: Tiers = field(
        default_factory=lambda: Tiers(
            date(2025, 12, 1),
            [
                Tiered("A", "heating-co", "热电集团", "Heating Company", "district", 128, 96.2),
                Tiered("C", "police", "公安分局", "Police", "district", 84, 71.0),
            ],
        )
    )
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def span(self) -> Period | None:
        with self._guard:
            self.askings += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.down:
                raise BrainUnavailableError(self.down)
            return Period(self.first, LAST) if self.first else None
        finally:
            with self._guard:
                self.at_once -= 1

    def headline(self, period: Period) -> list[FakeFigure]:
        share = min(1.0, period.days / 365)
        if share == 1 or not self.first:
            return self.figures
        return [
            replace(f, numerator=round(f.numerator * share), denominator=round(f.denominator * share))
            for f in self.figures
        ]

    def daily(self, period: Period) -> list[DayCount]:
        if not self.first:
            return []
        found = []
        for offset in range(period.days):
            day = period.first + timedelta(days=offset)
            season = (
                1
                + 0.35 * math.cos((day.timetuple().tm_yday - 350) / 58)
                + 0.25 * math.exp(-(((day.timetuple().tm_yday - 205) / 18) ** 2))
            )
            accepted = round((62 if day.weekday() < 5 else 41) * season + (day.toordinal() * 7919 % 17))
            age = (LAST - day).days
            found.append(DayCount(day, accepted, round(accepted * (0.985 if age > 25 else min(0.96, age / 22)))))
        return found

    def feeds(self, period: Period) -> list[FeedCount]:
        if not self.first:
            return []
        minutes = {
            "hotline12345": (16_568, 2_391, 1),
            "citymgmt": (4_275, 702, 2),
            "police110": (3_741, 433, 4),
            "wechat": (2_138, 321, 9),
        }
        known = [
            FeedCount(f, n * period.days // 365, m * period.days // 365, NOW - timedelta(minutes=t))
            for f, (n, m, t) in minutes.items()
        ]
        return [
            *known,
            FeedCount("video", 9_412 * period.days // 365, 6_904 * period.days // 365, NOW - timedelta(days=2)),
        ]

    def merged(self) -> list[MergedMatter]:
        return self.matters[:MOST]

    def workload(self) -> Workload:
        return self.load

    def alerts(self) -> OpenAlerts:
        return self.open_alerts

    def overdue(self) -> list[OverdueCase]:
        return self.late

    def curves(self, period: Period) -> list[Curve]:
        return [Curve(name, [0.9, None, 0.95, 0.97]) for name in HEADLINES] if self.first else []

    def areas(self, period: Period) -> list[AreaCount]:
        return [AreaCount("370212001001", 40, 3), AreaCount("370212001002", 90, 7)]

    def grids(self, period: Period) -> list[AreaCount]:
        return [AreaCount("G-1", 12, 1)]

    def hot_points(self) -> list[HotPoint]:
        return self.hot

    def tiers(self, period: Period) -> Tiers:
        return self.tiered

    def seasons(self) -> list[Season]:
        return [Season("供暖供热", "Heating", "", date(2025, 11, 12), date(2026, 3, 10), 56.8, 23.0, True)]

    def cases(self, wanted: Wanted) -> Cases:
        if self.down:
            raise BrainUnavailableError(self.down)
        found = [one for one in FOUND if wanted.part == "all" or one.counts == (wanted.part == "in")]
        texts = (shown(question, wanted) for question in (cases_query(wanted), figure_query(wanted)))
        return Cases(len(found) + 100 * (wanted.part == "all"), found, *texts)


def _matter(
    title: str, kind: tuple[str, str], street: str, links: tuple[int, int, int], feeds: list[str], ago: int
) -> MergedMatter:
    return MergedMatter(title, *kind, street, 1 + sum(links), *links, feeds, NOW - timedelta(minutes=ago))


MATTERS = [
    _matter(
        "翠竹花园三号楼暖气整天不热，室温不到十六度",
        ("供暖供热", "Heating"),
        "中韩街道",
        (2, 11, 0),
        ["hotline12345", "wechat"],
        3,
    ),
    _matter(
        "银燕路工地夜间施工噪声大",
        ("施工噪声", "Construction noise"),
        "金家岭街道",
        (1, 4, 1),
        ["hotline12345", "police110"],
        8,
    ),
    _matter(
        "松涛路路口井盖缺失",
        ("井盖缺损", "Manhole covers"),
        "沙子口街道",
        (0, 2, 0),
        ["citymgmt", "hotline12345", "video"],
        21,
    ),
    _matter("枫林佳苑楼道堆物、电动车飞线充电", ("消防隐患", "Fire hazards"), "中韩街道", (1, 1, 0), ["wechat"], 47),
    _matter("沿街饭馆油烟直排", ("油烟污染", "Kitchen fumes"), "北宅街道", (3, 0, 2), ["hotline12345"], 66),
    _matter("丹桂家园停水未通知", ("供水", "Water supply"), "王哥庄街道", (0, 6, 0), ["hotline12345", "wechat"], 102),
    _matter(
        "柳泉路路面塌陷，来往车辆绕行，请尽快修复并设置围挡和警示标志",
        ("道路破损", "Road damage"),
        "金家岭街道",
        (0, 3, 0),
        ["citymgmt", "hotline12345"],
        140,
    ),
    _matter(
        "在建工地拖欠工资", ("劳资欠薪", "Unpaid wages"), "沙子口街道", (1, 7, 0), ["hotline12345", "police110"], 195
    ),
]

WORKLOAD = Workload(
    open=810,
    overdue=63,
    levels=[
        LevelLoad("grid", 214, 6),
        LevelLoad("community", 96, 4),
        LevelLoad("street", 121, 9),
        LevelLoad("district", 361, 44),
    ],
    manual=[ManualQueue("no_kind", 14, NOW - timedelta(days=3)), ManualQueue("no_row", 4, NOW - timedelta(hours=5))],
)

ALERTS = OpenAlerts(
    9,
    [
        OpenAlert(
            "mass_appeal",
            "critical",
            "群诉：14人反映同一供暖事项（中韩街道），请核实并并单处理",
            NOW - timedelta(minutes=3),
        ),
        OpenAlert("mass_appeal", "warning", "群诉：8人反映同一欠薪事项（沙子口街道）", NOW - timedelta(hours=3)),
        OpenAlert("mass_appeal", "warning", "群诉：7人反映同一停水事项（王哥庄街道）", NOW - timedelta(hours=4)),
        OpenAlert("mass_appeal", "warning", "群诉：6人反映同一施工噪声事项（金家岭街道）", NOW - timedelta(days=1)),
        OpenAlert("rebound", "info", "油烟事项办结后再次反弹（北宅街道）", NOW - timedelta(days=2)),
    ],
)

LATE = [
    OverdueCase(
        "r-1", "沿街饭馆油烟直排", "油烟污染", "Kitchen fumes", "综合行政执法局", NOW - timedelta(days=3, hours=1)
    ),
    OverdueCase("r-2", None, "消费纠纷", "Consumer disputes", "市场监督管理局", NOW - timedelta(days=2)),
]

FOUND = [
    Found(
        *(
            "r-3",
            "2512310001",
            '<img src=x onerror="window.hurt = 1">',
            "供暖供热",
            "Heating",
            "热电集团",
            "hotline12345",
        ),
        *(NOW - timedelta(days=1), None, NOW - timedelta(hours=3), True),
    ),
    Found(
        *("r-4", "2512310002", None, "消费纠纷", "Consumer disputes", "市场监督管理局", "wechat"),
        *(NOW - timedelta(days=2), None, None, False),
    ),
]

#: Two communities in one street, as monitoring.screen.outlines gives them.
OUTLINES = [
    {
        "kind": "community",
        "code": f"37021200100{n}",
        "name": name,
        "parent": "370212001",
        "rings": [
            [[120.43 + n / 100, 36.11], [120.44 + n / 100, 36.11], [120.44 + n / 100, 36.12], [120.43 + n / 100, 36.11]]
        ],
        "point": [120.437 + n / 100, 36.113],
    }
    for n, name in ((1, "中韩社区"), (2, "西韩社区"))
]
#: A grid in the first of them.
GRID = {**OUTLINES[0], "kind": "grid", "code": "G-1", "name": "中韩社区第一网格", "parent": "370212001001"}
