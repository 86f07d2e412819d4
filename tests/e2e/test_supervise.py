"""The whole hub live: an overdue order raises its alerts and closing it clears them; the wall shows what was just accepted."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from rich.console import Console

from hub.settings import DEMO_PROFILE
from hub.up import Hub, private_settings
from tests.connectors.make import ORDER, STEP, as_json
from tests.e2e.hubs import query, wait_until
from tests.e2e.test_publishers import signed
from tests.screen.browser import CHROMIUM, artefact, browser

pytestmark = pytest.mark.e2e

#: Of an order that is years old and was never dispatched.
EXPECTED = {"red_card", "level_up", "unresolved"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    settings = private_settings(tmp_path_factory.mktemp("supervise"), DEMO_PROFILE)
    with Hub(settings.model_copy(update={"supervise_every_s": 1.0}), Console(quiet=True)) as running:
        yield running


def standing(hub: Hub) -> set[str]:
    return {row[0] for row in query(hub, "SELECT rule FROM bi.alerts WHERE is_open AND subject_type = 'report'")}


def test_an_overdue_order_raises_its_alerts_once_and_closing_it_clears_them(hub: Hub) -> None:
    sent = signed(hub, "demo-hotline", "POST", "/intake/demo-hotline", as_json(ORDER))
    assert sent.status_code == 200, sent.text
    wait_until(lambda: standing(hub) == EXPECTED, "the alerts of an overdue order stand")
    (told,) = query(hub, "SELECT summary, report_ids FROM bi.alerts WHERE rule = 'red_card'")
    assert told[0].startswith("【红牌】工单 250912101108115409")
    assert told[1] == sent.json()["ids"]
    metrics = f"http://127.0.0.1:{hub.settings.supervise_port}/metrics"
    assert 'zhishu_standing_alerts{rule="red_card",severity="critical"} 1.0' in requests.get(metrics, timeout=30).text
    close = STEP | {"ps_caption": "办结", "id": "900000002", "pso_caption": ""}
    assert signed(hub, "demo-hotline", "POST", "/intake/demo-hotline", as_json(close)).status_code == 200
    wait_until(lambda: standing(hub) == set(), "the alerts are cleared")
    ended = query(
        hub, "SELECT rule, cleared_at >= raised_at FROM bi.alerts WHERE subject_type = 'report' ORDER BY rule"
    )
    assert ended == [(rule, True) for rule in sorted(EXPECTED)]


@pytest.mark.skipif(not os.access(CHROMIUM, os.X_OK), reason=f"{CHROMIUM} is absent: install Debian's package chromium")
def test_the_wall_shows_an_accepted_report_by_itself_and_opens_it(hub: Hub, tmp_path: Path) -> None:
    accepted = "document.querySelector('.figure.accepted .value')?.textContent"

    async def watch() -> float:
        async with browser(tmp_path) as page:
            await page.open(f"http://127.0.0.1:{hub.settings.screen_port}/?from=2025-01-01&to=2025-12-31")
            await page.until(
                "document.querySelectorAll('.figure').length === 8 && !!document.querySelector('#map svg')"
            )
            before = int(await page.evaluate(accepted))
            order = ORDER | {"record_number": "250912101108119999"}
            sent = await asyncio.to_thread(signed, hub, "demo-hotline", "POST", "/intake/demo-hotline", as_json(order))
            assert sent.status_code == 200, sent.text
            began = time.monotonic()
            await page.until(f"{accepted} === '{before + 1}'")
            took = time.monotonic() - began
            print(f"on the wall {took:.2f} s after its 2xx")
            await page.click(".figure .opens")
            await page.until("document.querySelector('#drill tbody')?.textContent.includes('250912101108119999')")
            await page.screenshot(artefact("wall-with-orders.png"))
            assert page.complaints == []
            return took

    # docs/screen.md tells what was measured; here a machine under load must only show that it comes by itself.
    assert asyncio.run(watch()) < 20
