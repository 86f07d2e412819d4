"""`python -m profiles.sample OUT`: writes the sample year of the demonstration profile into the new folder OUT."""

import argparse
import sys
from pathlib import Path

from profiles import ProfileError, load_profile
from profiles.sample import FULL_YEAR, write_sample


def main() -> int:
    """Parses the command line and writes; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m profiles.sample", description=__doc__)
    parser.add_argument("out", type=Path, help="a new or empty folder")
    parser.add_argument("--profile", type=Path, default=Path(__file__).parents[1] / "demo")
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--year", type=int, default=2025)
    parser.add_argument("--reports", type=int, default=FULL_YEAR)
    given = parser.parse_args()
    try:
        manifest = write_sample(load_profile(given.profile), given.out, given.seed, given.year, given.reports)
    except (ProfileError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{sum(manifest.reports.values())} appeals, {sum(manifest.steps.values())} steps, {manifest.alarms} alarms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
