"""`python -m syncd` and the `syncd` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the program and leave with its exit code."""
    gc.disable()  # nothing of what is loaded now is garbage; see syncd.lifecycle.garbage
    from syncd.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
