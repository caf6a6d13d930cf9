"""`writer.py FOLDER RATE SECONDS SIZE`: a load test's logs: files of that size, closed at an even rate.

Prints a JSON object: when each was closed, in nanoseconds of the monotonic clock, by its name.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(folder: str, rate: str, seconds: str, size: str) -> None:
    root, step, body = Path(folder), 1 / float(rate), os.urandom(int(size))
    closed: dict[str, int] = {}
    begin = time.monotonic()
    for number in range(int(float(rate) * float(seconds))):
        time.sleep(max(0.0, begin + number * step - time.monotonic()))
        name = f"log-{number:06d}.gz"
        with (root / name).open("wb", buffering=0) as file:
            file.write(body)
        closed[name] = time.monotonic_ns()
    print(json.dumps(closed))


if __name__ == "__main__":
    main(*sys.argv[1:])
