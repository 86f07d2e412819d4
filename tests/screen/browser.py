"""Debian's Chromium without a window, driven over its DevTools protocol with the aiohttp the project has anyway."""

import asyncio
import base64
import itertools
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
_LIMIT_S = 30
#: Screenshots stay here after a run, for a person to look at; git ignores it.
_ARTEFACTS = Path(__file__).resolve().parents[2] / ".artifacts"


def artefact(name: str) -> Path:
    """Where a test leaves a screenshot."""
    _ARTEFACTS.mkdir(exist_ok=True)
    return _ARTEFACTS / name


class Page:
    """One tab. `complaints` holds what the console and the security policy said."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.complaints: list[str] = []

    async def listen(self) -> None:
        """Takes answers and events until the socket closes."""
        async for message in self._socket:
            data = json.loads(message.data)
            if "id" in data:
                self._answers.pop(data["id"]).set_result(data)
            elif data["method"] == "Log.entryAdded":
                self.complaints.append(data["params"]["entry"]["text"])
            elif data["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(data["params"]["exceptionDetails"], ensure_ascii=False))

    async def call(self, method: str, **params: Any) -> Any:
        """A DevTools command."""
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        answer = self._answers[number]
        await self._socket.send_json({"id": number, "method": method, "params": params})
        found = await asyncio.wait_for(answer, _LIMIT_S)
        assert "error" not in found, found
        return found["result"]

    async def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The first true value of the expression, within a bound."""
        deadline = asyncio.get_running_loop().time() + _LIMIT_S
        while not (value := await self.evaluate(expression)):
            assert asyncio.get_running_loop().time() < deadline, f"never came true: {expression}"
            await asyncio.sleep(0.05)
        return value

    async def text(self, selector: str) -> str:
        """The visible text of an element."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def click(self, selector: str) -> None:
        """Clicks an element."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def press(self, key: str) -> None:
        """Presses and lets go of a key such as ArrowRight or Tab."""
        codes = {"Tab": 9, "ArrowLeft": 37, "ArrowRight": 39}
        for kind in ("rawKeyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    async def open(self, url: str, width: int = 1920, height: int = 1080) -> None:
        """Shows the page at a size of the window in CSS pixels."""
        mobile = width < 800
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def screenshot(self, path: Path, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        picture = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """A browser with an empty profile in `folder`, gone afterwards."""
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"], stdout=log, stderr=log
        )
    try:
        port_file = folder / "profile" / "DevToolsActivePort"
        deadline = asyncio.get_running_loop().time() + _LIMIT_S
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert process.poll() is None, (folder / "chromium.log").read_text()
            assert asyncio.get_running_loop().time() < deadline, "Chromium opens no DevTools port"
            await asyncio.sleep(0.05)
        port = port_file.read_text().splitlines()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                listener = asyncio.create_task(page.listen())
                for domain in ("Page", "Runtime", "Log"):
                    await page.call(f"{domain}.enable")
                yield page
                listener.cancel()
    finally:
        process.terminate()
        process.wait(_LIMIT_S)
