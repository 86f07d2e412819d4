"""`python -m bench.multichannel --seed N --out FOLDER [--reports N]`: writes the multi-channel benchmark."""

import argparse
import sys
from pathlib import Path

from bench.multichannel import DEFAULT_REPORTS, write_benchmark
from hub.settings import DEMO_PROFILE
from profiles import ProfileError, load_profile


def main() -> int:
    """Parses the command line and writes; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.multichannel", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--reports", type=int, default=DEFAULT_REPORTS)
    parser.add_argument("--profile", type=Path, default=DEMO_PROFILE)
    given = parser.parse_args()
    try:
        write_benchmark(load_profile(given.profile), given.out, given.seed, given.reports)
    except (ProfileError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
