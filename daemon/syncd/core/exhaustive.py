"""`assert_never` for every Python that we support (3.10 has none in `typing`)."""

from typing import NoReturn

from typing_extensions import assert_never

__all__ = ["NoReturn", "assert_never"]
