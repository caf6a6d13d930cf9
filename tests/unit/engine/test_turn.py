"""Taking turns: what is there is taken by one thread at a time, in its order; who has to wait holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Callable

from syncd.engine.turn import Turn

ENDS_S = 10.0


class Letter:
    """Something that is expected, and comes when a test says."""

    def __init__(self, name: str, *, here: bool) -> None:
        self.name = name
        self.here = here

    def there(self) -> bool:
        return self.here


def taken(
    turn: Turn, letters: list[Letter], until: Callable[[Letter], bool] = lambda _: True
) -> list[tuple[str, bool]]:
    """Their names as they were taken, and whether somebody else could have had the turn meanwhile."""
    said: list[tuple[str, bool]] = []

    def take(letter: Letter) -> bool:
        free: list[bool] = []
        other = threading.Thread(target=lambda: free.append(_is_free(turn)))
        other.start()
        other.join(ENDS_S)
        said.append((letter.name, free == [True]))
        return until(letter)

    turn.as_they_come(letters, take)
    return said


def _is_free(turn: Turn) -> bool:
    free = turn._lock.acquire(blocking=False)
    if free:
        turn._lock.release()
    return free


def test_what_is_there_is_taken_in_turn_and_the_rest_out_of_it() -> None:
    letters = [Letter(name, here=name in "acd") for name in "abcde"]
    assert taken(Turn(), letters) == [("a", False), ("b", True), ("c", False), ("d", False), ("e", True)]


def test_nothing_is_taken_once_that_is_over() -> None:
    letters = [Letter(name, here=True) for name in "abc"]
    turn = Turn()
    assert taken(turn, letters, lambda letter: letter.name != "b") == [("a", False), ("b", False)]
    assert _is_free(turn)
    assert taken(turn, [Letter(name, here=False) for name in "ab"], lambda _: False) == [("a", True)]


def test_a_turn_is_given_back_by_who_fails_in_it() -> None:
    turn = Turn()

    def fail(_: Letter) -> bool:
        raise ZeroDivisionError

    try:
        turn.as_they_come([Letter("a", here=True)], fail)
    except ZeroDivisionError:
        assert _is_free(turn)
    else:
        raise AssertionError("nothing was raised")
