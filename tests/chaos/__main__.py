"""`python -m tests.chaos --seconds 60`: exit code 0 when every promise was kept. With --mutation it must not be."""

import argparse
import asyncio
import sys

from tests.chaos.run import Wish, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    parser.add_argument("--mutation", choices=("fencing", "dedupe", "attempt_record"), default="")
    parser.add_argument("--per-second", type=float, default=40, help="messages")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--fault-every-seconds", type=float, default=2)
    parser.add_argument("--quiet-ms", type=int, default=0, help="the window in which a burst becomes one turn")
    result = asyncio.run(run(Wish(**vars(parser.parse_args()))))
    print(result)
    print("kept" if result.kept else "BROKEN")
    return 0 if result.kept else 1


if __name__ == "__main__":
    sys.exit(main())
