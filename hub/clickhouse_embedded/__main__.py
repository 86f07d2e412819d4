"""The process of the embedded ClickHouse: ``python -m hub.clickhouse_embedded --data DIR [--port 8123] ...``.

The passwords of the users ``hub``, ``bi`` and those of --access come from the environment (ZHISHU_CLICKHOUSE_HUB_PASSWORD and
so on). SIGTERM and SIGINT let running requests end first.
"""

import argparse
import asyncio
import faulthandler
import logging
import os
import signal
import sys
import time
from pathlib import Path

from hub.clickhouse_embedded.child import GIB, HUB, password_variable
from hub.process import LOOPBACK, DirLock, DirLockedError, port_holder
from profiles.access import SecuritySpec


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hub.clickhouse_embedded", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory of the data, made where missing")
    parser.add_argument("--port", type=int, default=8123, help="port on 127.0.0.1")
    parser.add_argument("--memory", type=int, default=2 * GIB, help="bytes that all queries may use together")
    parser.add_argument(
        "--access", type=SecuritySpec.model_validate_json, default=SecuritySpec(), help="who may read what, as JSON"
    )
    parser.add_argument("--lock-fd", type=int, help="the parent's lock on the directory, inherited")
    return parser.parse_args()


def main() -> int:
    """Run until SIGTERM; return the exit code, after a last line on stderr that says what was wrong."""
    options = _arguments()
    faulthandler.enable()  # should the engine crash, the log tells where
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    os.environ["TZ"] = "UTC"  # before the engine is loaded: its zone is the process's
    time.tzset()
    users = (HUB, *options.access.readers())
    passwords = {user: os.environ.pop(password_variable(user), "") for user in users}
    missing = [password_variable(user) for user, password in passwords.items() if not password]
    if missing:
        return _fail(f"set {' and '.join(missing)} in the environment: the passwords of the users")
    if options.lock_fd is None:
        lock = DirLock(options.data)
        try:
            lock.acquire()
        except DirLockedError as error:
            return _fail(str(error))
    holder = port_holder(options.port)
    if holder is not None:
        return _fail(f"port {options.port} of {LOOPBACK} is in use by {holder}: stop it, or give another --port")
    return _run(options, passwords)


def _run(options: argparse.Namespace, passwords: dict[str, str]) -> int:
    # Loading chDB takes a second and 200 MB: not before all else is right.
    from hub.clickhouse_embedded.engine import Engine  # noqa: PLC0415
    from hub.clickhouse_embedded.errors import ClickHouseError  # noqa: PLC0415
    from hub.clickhouse_embedded.server import Interface, Limits, serve  # noqa: PLC0415

    try:
        engine = Engine(options.data, options.memory, options.access)
    except ClickHouseError as error:
        return _fail(f"the engine can't open {options.data}: {error}; lines above may say why")

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(Interface(engine, passwords, options.access.readers(), Limits()), LOOPBACK, options.port, stop)

    asyncio.run(run())
    engine.close()
    return 0


def _fail(text: str) -> int:
    sys.stderr.write(f"error: {' '.join(text.split())}\n")  # one line: the parent shows the log's last
    return 1


if __name__ == "__main__":
    sys.exit(main())
