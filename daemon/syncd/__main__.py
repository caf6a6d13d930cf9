"""`python -m syncd` and the `syncd` command."""

from __future__ import annotations

import sys

from syncd.app import run


def main() -> None:
    """Run the program and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
