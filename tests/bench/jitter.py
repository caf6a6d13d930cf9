"""`jitter.py SECONDS CORE`: a load test's clock: wakes a thousand times a second, and tells how late it was.

Prints a JSON object of percentiles in microseconds. CORE -1: wherever the kernel puts it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time

STEP_NS = 1_000_000


def main(seconds: str, core: str) -> None:
    if int(core) >= 0:
        os.sched_setaffinity(0, {int(core)})
    gc.disable()
    late: list[int] = []
    due = time.monotonic_ns() + STEP_NS
    for _ in range(int(float(seconds) * 1000)):
        now = time.monotonic_ns()
        if due > now:
            time.sleep((due - now) / 1e9)
        late.append(time.monotonic_ns() - due)
        due = max(due + STEP_NS, time.monotonic_ns())  # what was missed is not caught up on
    late.sort()
    at = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    print(json.dumps({name: late[int(share * len(late))] / 1000 for name, share in at.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
