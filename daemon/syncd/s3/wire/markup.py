"""XML as stores write it, told element by element."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat


def read(body: bytes, heard: Callable[[list[str], str], None]) -> None:
    """Tell `heard` each element where it ends: the names that lead to it, and the text behind its last child.

    ValueError where it is no XML, or defines entities of its own.
    """
    path: list[str] = []
    text: list[str] = []

    def begin(name: str, _: object) -> None:
        path.append(name.rpartition("}")[2])
        text.clear()

    def end(_: str) -> None:
        heard(path, "".join(text))
        path.pop()
        text.clear()

    parser = expat.ParserCreate("utf-8", "}")
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError(f"no XML: {error}") from error


def _refuse(*_: object) -> None:
    raise ValueError("it defines entities of its own")
