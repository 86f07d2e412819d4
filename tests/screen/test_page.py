"""The page in a real browser: what a person sees, hears from a screen reader, and can do with a keyboard."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from monitoring.screen import make_app
from monitoring.screen.brain import OpenAlert, OpenAlerts
from tests.screen.browser import CHROMIUM, Page, artefact, browser
from tests.screen.fakes import DEPLOYMENT, GRID, MATTERS, NOW, OUTLINES, FakeBrain, figure

pytestmark = pytest.mark.skipif(
    not os.access(CHROMIUM, os.X_OK), reason=f"{CHROMIUM} is absent: install Debian's package chromium"
)

READY = "document.querySelectorAll('.figure').length === 8 && !!document.querySelector('#chart svg')"
#: Elements with text of their own whose contrast to the ground behind them is below WCAG AA.
TOO_FAINT = """
(() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const owns = (element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && owns(e)).map((e) => {
    const style = getComputedStyle(e);
    const [a, b] = [light(rgb(e instanceof SVGElement ? style.fill : style.color)), light(ground(e))].sort((x, y) => y - x);
    const size = Number.parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    return { text: e.textContent.trim().slice(0, 30), ratio: (a + 0.05) / (b + 0.05), wanted: large ? 3 : 4.5 };
  }).filter((found) => found.ratio < found.wanted);
})()
"""
SMALLEST_TEXT_PX = """
Math.min(...[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && e.textContent.trim())
  .map((e) => Number.parseFloat(getComputedStyle(e).fontSize)))
"""
#: Columns of panels, and lists that may be cut, of which something lies below the lower edge.
CUT = """
[...document.querySelectorAll(".column, .matters, .alerts")]
  .filter((e) => e.scrollHeight > e.clientHeight + 1).map((e) => e.className)
"""
TOO_LOW_FOR_A_FINGER = """
[...document.querySelectorAll("label:has(input), button")].filter((e) => e.checkVisibility() && e.offsetHeight < 40)
  .map((e) => e.textContent)
"""


def show(tmp_path: Path, test: Callable[[Page, str, FakeBrain], Awaitable[None]]) -> None:
    """Runs a test on a page; whatever the console complains of fails it."""

    async def main() -> None:
        brain = FakeBrain()
        runner = web.AppRunner(
            make_app(brain, DEPLOYMENT, outlines=json.dumps(OUTLINES).encode(), interval_s=0.1, clock=lambda: NOW)
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with browser(tmp_path) as page:
                await test(page, f"http://127.0.0.1:{runner.addresses[0][1]}/", brain)
                assert page.complaints == []
        finally:
            await runner.cleanup()

    asyncio.run(main())


def test_every_figure_shows_what_it_is_a_share_of(tmp_path: Path) -> None:
    async def test(page: Page, url: str, brain: FakeBrain) -> None:
        brain.figures[4] = figure("solved", 0, 0)
        await page.open(url)
        await page.until(READY)
        shown = await page.evaluate(
            "[...document.querySelectorAll('.figure')].map((f) => f.innerText.split('\\n').filter(Boolean))"
        )
        assert shown[0][:2] == ["受理诉求", "26,722"]
        # Not all of them, so not 100%.
        assert shown[1] == ["响应率", ">99.9%", "26,389 / 26,390", "24 小时内响应 / 已派单"]
        assert shown[3] == ["办结率", "97.0%", "25,912 / 26,722", "已办结 / 受理"]
        assert shown[4] == ["解决率", "-", "0 / 0", "回访已解决 / 回访有结论"]
        assert shown[5][2] == "15,932.4 / 16,710"

    show(tmp_path, test)


def test_made_up_data_is_called_so_in_both_languages(tmp_path: Path) -> None:
    async def test(page: Page, url: str, _: FakeBrain) -> None:
        await page.open(url)
        await page.until(READY)
        assert "虚构数据" in await page.text("#made-up")
        assert await page.evaluate("document.documentElement.lang") == "zh-CN"
        await page.click("#language")
        assert "Made-up data" in await page.text("#made-up")
        assert await page.evaluate("document.documentElement.lang") == "en"
        assert await page.evaluate("document.querySelector('.matters .name').lang") == "zh-CN"
        assert "Response rate" in await page.text("#figures")
        assert await page.evaluate("location.search") == "?lang=en"

    show(tmp_path, test)


def test_a_real_deployment_is_not_called_made_up(tmp_path: Path) -> None:
    async def main() -> None:
        runner = web.AppRunner(make_app(FakeBrain(), replace(DEPLOYMENT, made_up=False), clock=lambda: NOW))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with browser(tmp_path) as page:
                await page.open(f"http://127.0.0.1:{runner.addresses[0][1]}/")
                await page.until(READY)
                assert not await page.evaluate("document.querySelector('#made-up').checkVisibility()")
        finally:
            await runner.cleanup()

    asyncio.run(main())


def test_text_of_the_data_never_becomes_html(tmp_path: Path) -> None:
    async def test(page: Page, url: str, brain: FakeBrain) -> None:
        evil = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
        brain.matters = [replace(MATTERS[0], title=evil, street=evil)]
        brain.open_alerts = OpenAlerts(1, [OpenAlert("rule", "critical", evil, NOW)])
        await page.open(url)
        await page.until(READY)
        assert await page.text(".matters .name") == evil
        assert await page.text(".alerts .summary") == evil
        assert await page.evaluate("document.querySelectorAll('main img, main script').length") == 0
        assert "hacked" not in await page.evaluate("document.title")

    show(tmp_path, test)


def test_a_changed_figure_arrives_by_itself(tmp_path: Path) -> None:
    async def test(page: Page, url: str, brain: FakeBrain) -> None:
        await page.open(url)
        await page.until(READY)
        brain.figures = [replace(brain.figures[0], numerator=26_723), *brain.figures[1:]]
        await page.until("document.querySelector('.figure .value').textContent === '26,723'")

    show(tmp_path, test)


def test_an_outage_is_said_with_the_time_of_the_last_good_data_and_passes(tmp_path: Path) -> None:
    async def test(page: Page, url: str, brain: FakeBrain) -> None:
        await page.open(url)
        await page.until(READY)
        brain.down = "gone"
        await page.until("document.querySelector('#trouble').checkVisibility()")
        assert "数据暂不可用" in await page.text("#trouble")
        assert "2026-01-01 10:03:04" in await page.text("#trouble")
        assert await page.text(".figure .value") == "26,722"
        brain.down = None
        await page.until("!document.querySelector('#trouble').checkVisibility()")
        assert "实时" in await page.text("#status")

    show(tmp_path, test)


def test_an_outage_from_the_start_is_said(tmp_path: Path) -> None:
    async def test(page: Page, url: str, brain: FakeBrain) -> None:
        brain.down = "gone"
        await page.open(url)
        await page.until("document.querySelector('#trouble').checkVisibility()")
        assert await page.text("#trouble") == "数据暂不可用。恢复后自动更新。"

    show(tmp_path, test)


def test_a_reader_chooses_days_and_the_address_keeps_them(tmp_path: Path) -> None:
    async def test(page: Page, url: str, _: FakeBrain) -> None:
        await page.open(url)
        await page.until(READY)
        await page.click("input[value='30']")
        await page.until("document.querySelector('.feeds .scope').textContent === '2025-12-02 至 2025-12-31'")
        assert await page.evaluate("location.search") == "?days=30"
        await page.click("input[value='own']")
        set_day = (
            "document.querySelector('#{0}').value = '{1}';"
            "document.querySelector('#{0}').dispatchEvent(new Event('change', {{bubbles: true}}))"
        )
        await page.evaluate(set_day.format("from", "2026-03-01"))
        assert "起始日期不能晚于截止日期" in await page.text("#own-error")
        await page.evaluate(set_day.format("from", "2025-11-01"))
        assert await page.text("#own-error") == ""
        await page.until("document.querySelector('.feeds .scope').textContent === '2025-11-01 至 2025-12-31'")
        await page.open(url + "?from=2025-11-01&to=2025-12-31&lang=en")
        await page.until("document.querySelector('.feeds .scope').textContent === '2025-11-01 to 2025-12-31'")
        assert await page.evaluate("document.querySelector('#from').value") == "2025-11-01"

    show(tmp_path, test)


def test_the_chart_is_read_day_by_day_with_the_arrow_keys(tmp_path: Path) -> None:
    async def test(page: Page, url: str, _: FakeBrain) -> None:
        await page.open(url)
        await page.until(READY)
        assert "2025-01-01 至 2025-12-31 共受理" in await page.evaluate("document.querySelector('#chart').ariaLabel")
        await page.evaluate("document.querySelector('#chart').focus()")
        await page.press("ArrowRight")
        await page.press("ArrowRight")
        assert (await page.text("#readout")).startswith("2025-01-02 · 受理 ")

    show(tmp_path, test)


def test_tab_reaches_every_control_and_each_has_a_name(tmp_path: Path) -> None:
    async def test(page: Page, url: str, _: FakeBrain) -> None:
        await page.open(url + "?from=2025-11-01&to=2025-12-31")
        await page.until(READY)
        reached = set()
        for _ in range(28):  # a date field has a stop for each of its parts
            await page.press("Tab")
            reached.add(await page.evaluate("document.activeElement.id || document.activeElement.name"))
        assert {"choice", "from", "to", "language", "chart", "feed-list"} <= reached
        tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        roles = {"radio", "Date", "button", "main", "banner", "contentinfo", "image", "table", "region"}
        found = [(n["role"]["value"], n.get("name", {}).get("value")) for n in tree if n["role"]["value"] in roles]
        assert {role for role, _ in found} == roles
        named = roles - {"main", "banner", "contentinfo", "table"}
        assert [role for role, name in found if role in named and not name] == []

    show(tmp_path, test)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_is_cut_at_the_side_or_too_faint_or_small_to_read(language: str, tmp_path: Path) -> None:
    async def test(page: Page, url: str, _: FakeBrain) -> None:
        for width, height in ((3840, 2160), (1920, 1080), (1366, 768), (390, 844)):
            await page.open(f"{url}?lang={language}", width, height)
            await page.until(READY)
            assert await page.evaluate("document.documentElement.scrollWidth") == width
            assert await page.evaluate(TOO_FAINT) == []
            assert await page.evaluate(SMALLEST_TEXT_PX) >= 13
            if width >= 1920:
                # A wall shows all of it without scrolling, and cuts no list.
                assert await page.evaluate("document.documentElement.scrollHeight") == height
                assert await page.evaluate(CUT) == []
            await page.screenshot(artefact(f"screen-{language}-{width}.png"), whole=width < 800)
        assert await page.evaluate(TOO_LOW_FOR_A_FINGER) == []

    show(tmp_path, test)


def test_a_figure_opens_its_orders_with_the_sql_and_the_address_shows_them_again(tmp_path: Path) -> None:
    async def test(page: Page, url: str, brain: FakeBrain) -> None:
        await page.open(url)
        await page.until(READY)
        await page.evaluate("document.querySelectorAll('.figure .opens')[4].click()")
        await page.until("document.querySelectorAll('#drill tbody tr').length === 2")
        assert (await page.text("#drill-title")) == "解决率"
        shown = await page.text("#drill")
        assert "共 102 件" in shown
        assert "第 1 / 3 页" in shown
        assert "（内容不公开）" in shown
        assert "<img src=x" in shown
        assert await page.evaluate("window.hurt") is None
        assert "sum(solved) AS numerator" in await page.evaluate("document.querySelector('#drill pre').textContent")
        await page.evaluate("[...document.querySelectorAll('.parts-choice button')][2].click()")
        await page.until("document.querySelectorAll('#drill tbody tr').length === 1")
        address = str(await page.evaluate("location.href"))
        assert "figure=solved" in address
        assert "part=out" in address
        await page.open("about:blank")
        await page.open(address)
        await page.until("document.querySelectorAll('#drill[open] tbody tr').length === 1")
        await page.click("#drill-close")
        await page.until("!document.querySelector('#drill').open && !location.hash")

    show(tmp_path, test)


def test_the_map_the_list_beside_it_and_hot_points_open_the_orders_of_a_place(tmp_path: Path) -> None:
    async def test(page: Page, url: str, brain: FakeBrain) -> None:
        await page.open(url + "?lang=en")
        await page.until(READY)
        await page.until(
            "document.querySelectorAll('#map .area').length === 2 && !!document.querySelector('#map .hot')"
        )
        assert "西韩社区 has most orders (90)" in await page.evaluate(
            "document.querySelector('#map').getAttribute('aria-label')"
        )
        await page.evaluate("document.querySelector('#map .area').dispatchEvent(new MouseEvent('click'))")
        await page.until("location.hash.includes('community_code=370212001001')")
        await page.click("#drill-close")
        await page.click("#places .opens")
        await page.until("location.hash.includes('community_code=370212001002')")
        await page.click("#drill-close")
        await page.click("#hot .opens")
        await page.until("location.hash.includes('matter_kind=heating')")

    show(tmp_path, test)


def test_where_grids_have_outlines_they_are_what_the_map_shows_and_opens(tmp_path: Path) -> None:
    async def main() -> None:
        outlines = json.dumps([*OUTLINES, GRID]).encode()
        runner = web.AppRunner(make_app(FakeBrain(), DEPLOYMENT, outlines=outlines, interval_s=0.1, clock=lambda: NOW))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with browser(tmp_path) as page:
                await page.open(f"http://127.0.0.1:{runner.addresses[0][1]}/")
                await page.until("document.querySelectorAll('#map .area').length === 1")
                assert (
                    await page.evaluate("document.querySelector('#map .area title').textContent")
                    == "中韩社区第一网格 12"
                )
                assert await page.evaluate("document.querySelectorAll('#map .community').length") == 2
                await page.evaluate("document.querySelector('#map .area').dispatchEvent(new MouseEvent('click'))")
                await page.until("location.hash.includes('grid_code=G-1')")
                await page.until("document.querySelectorAll('#drill tbody tr').length === 2")
                assert page.complaints == []
        finally:
            await runner.cleanup()

    asyncio.run(main())


def test_agencies_stand_in_tiers_and_a_tier_lists_them_by_code(tmp_path: Path) -> None:
    async def test(page: Page, url: str, brain: FakeBrain) -> None:
        await page.open(url)
        await page.until(READY)
        assert "热电集团" in await page.text("#tiers")
        await page.click("#tiers .opens")
        await page.until("document.querySelectorAll('#drill[open] tbody tr').length === 1")
        assert "96.2" in await page.text("#drill")
        await page.click("#drill tbody .opens")
        await page.until("location.hash.includes('agency_code=heating-co') && location.hash.includes('to=2025-12-31')")

    show(tmp_path, test)


def test_the_health_of_the_processes_is_told_in_words_too(tmp_path: Path) -> None:
    async def main() -> None:
        async def well(_: web.Request) -> web.Response:
            return web.Response()

        async def ill(_: web.Request) -> web.Response:
            return web.Response(status=503)

        others = web.Application()
        others.add_routes([web.get("/well", well), web.get("/ill", ill)])
        other = web.AppRunner(others)
        await other.setup()
        await web.TCPSite(other, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{other.addresses[0][1]}"
        watches = {"gateway": f"{base}/well", "worker": f"{base}/ill", "sink": "http://127.0.0.1:1/health"}
        runner = web.AppRunner(make_app(FakeBrain(), DEPLOYMENT, watches=watches, interval_s=0.1, clock=lambda: NOW))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with browser(tmp_path) as page:
                await page.open(f"http://127.0.0.1:{runner.addresses[0][1]}/?lang=en")
                await page.until("document.querySelectorAll('#health li').length === 3")
                told = await page.evaluate("[...document.querySelectorAll('#health li')].map((e) => e.textContent)")
                assert told == ["Intake up", "Matching failing", "Storing no answer"]
        finally:
            await runner.cleanup()
            await other.cleanup()

    asyncio.run(main())
