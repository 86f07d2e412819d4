"""Reads one spreadsheet in a process of its own, so that a hostile or huge file ends that process and nothing else.

    python -m connectors.readers.sheet_process FILE OPTIONS-AS-JSON

Writes one JSON object a line: {"sheet", "line", "fields", "problem"} for a row, {"sheet", "skipped"} for a sheet without a table,
and last {"end": rows} or {"error": text}. A stream without either means that the process was ended.
"""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from connectors.readers.tables import TableOptions, read_table
from connectors.sheets import SheetError, open_sheets

#: Bytes of memory and seconds of the processor that one file may take: 100 000 rows of 20 columns take a quarter and a few.
_MEMORY_BYTES: Final = 1024 * 1024 * 1024
_CPU_S: Final = 300


def messages(path: Path, options: TableOptions) -> Iterator[dict[str, Any]]:
    """What the process writes, without its limits. A workbook with one sheet has no sheet's name in it."""
    rows, problem, found = 0, "", False
    try:
        for sheet in open_sheets(path):
            if options.sheets and sheet.name and sheet.name not in options.sheets:
                continue
            shown = "" if sheet.alone else sheet.name
            try:
                for row in read_table(sheet, options):
                    rows += 1
                    yield {"sheet": shown, "line": row.line, "fields": row.fields, "problem": row.problem}
                found = True
            except SheetError as error:
                problem = str(error)
                yield {"sheet": shown, "skipped": problem}
    except SheetError as error:
        yield {"error": str(error)}
        return
    except OSError as error:
        yield {"error": f"the file can't be opened ({type(error).__name__}); check its rights"}
        return
    yield {"end": rows} if found else {"error": problem or "the file has no sheet with rows that the source names"}


def main() -> None:
    """Entry point of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path, given = Path(sys.argv[1]), orjson.loads(sys.argv[2])
    listed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    options = TableOptions(**listed)
    out = sys.stdout.buffer
    for message in messages(path, options):
        out.write(orjson.dumps(message) + b"\n")
    out.flush()


if __name__ == "__main__":
    main()
