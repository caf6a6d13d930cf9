"""Folding: the first failure is shown, the rest is a number."""

from __future__ import annotations

from urllib.parse import quote

from syncd.lifecycle.folding import Folding, Line

FAILED = "transfer.failed"


def test_identical_failures_are_one_line_and_a_count() -> None:
    folding = Folding(window_s=60)
    fields = {"path": "a", "error": "refused"}
    lines = [line for second in range(50) for line in folding.admit(FAILED, fields, float(second))]
    assert lines == [Line(FAILED, fields)]
    assert folding.due(59.0) == []
    assert folding.due(60.0) == [Line(FAILED, {"path": "a", "error": "refused", "repeated": "repeated 49 times"})]
    assert folding.due(61.0) == []


def test_the_ids_of_its_requests_make_no_other_failure() -> None:
    folding = Folding()
    fields = [{"path": "a", "error": "refused", "request_id": f"r{n}", "host_id": f"h{n}"} for n in range(5)]
    assert [line for each in fields for line in folding.admit(FAILED, each, 0.0)] == [Line(FAILED, fields[0])]
    assert folding.flush() == [Line(FAILED, {"path": "a", "error": "refused", "repeated": "repeated 4 times"})]


def test_another_error_is_another_line() -> None:
    folding = Folding()
    assert folding.admit(FAILED, {"path": "a", "error": "refused"}, 0.0)
    assert folding.admit(FAILED, {"path": "a", "error": "denied"}, 0.0)
    assert folding.admit("cycle.failed", {"path": "a", "error": "denied"}, 0.0)


def test_one_error_on_many_paths_shows_the_first_few_and_counts_the_rest() -> None:
    folding = Folding(burst=3)
    shown = [line for n in range(10) for line in folding.admit(FAILED, {"path": str(n), "error": "refused"}, 0.0)]
    assert [line.fields["path"] for line in shown] == ["0", "1", "2"]
    assert folding.flush() == [Line(FAILED, {"error": "refused", "repeated": "repeated 7 times"})]


def test_an_error_that_names_its_file_is_the_same_error_on_another_file() -> None:
    folding = Folding(burst=3)

    def failed(path: str) -> dict[str, str]:
        url = f"http://s3/bucket/up/{quote(path)}"
        return {"path": path, "error": f's3://bucket/up/{path} at http://s3: the connection broke: "{url}".'}

    paths = [f"ä b/{n}~.log" for n in range(5)] + ["a", "x+y (1)"]
    shown = [line for path in paths for line in folding.admit(FAILED, failed(path), 0.0)]
    assert [line.fields["path"] for line in shown] == paths[:3]
    told = 's3://bucket/up/… at http://s3: the connection broke: "http://s3/bucket/up/…".'
    assert folding.flush() == [Line(FAILED, {"error": told, "repeated": "repeated 4 times"})]


def test_another_error_that_names_the_file_is_another_line() -> None:
    folding = Folding(burst=1)
    assert folding.admit(FAILED, {"path": "a", "error": "s3://b/a: refused"}, 0.0)
    assert not folding.admit(FAILED, {"path": "c", "error": "s3://b/c: refused"}, 0.0)
    assert folding.admit(FAILED, {"path": "a", "error": "s3://b/a: denied"}, 0.0)
    assert folding.admit(FAILED, {"path": "a", "error": "s3://b/abc: refused"}, 0.0)


def test_a_failure_after_its_window_is_shown_again_behind_the_count() -> None:
    folding = Folding(window_s=10)
    fields = {"error": "refused"}
    folding.admit(FAILED, fields, 0.0)
    folding.admit(FAILED, fields, 5.0)
    assert folding.admit(FAILED, fields, 11.0) == [
        Line(FAILED, {"error": "refused", "repeated": "repeated 1 times"}),
        Line(FAILED, fields),
    ]


def test_an_outage_of_a_day_is_a_line_every_quarter_of_an_hour_at_most() -> None:
    folding = Folding(window_s=60, longest_s=900)
    lines = [line for minute in range(1440) for line in folding.admit(FAILED, {"error": "refused"}, minute * 60.0)]
    assert len(lines) <= 2 * (24 * 4 + 5)
    told = sum(int(str(line.fields["repeated"]).split()[1]) for line in lines if "repeated" in line.fields)
    told += sum("repeated" not in line.fields for line in lines)
    told += sum(int(str(line.fields["repeated"]).split()[1]) for line in folding.flush())
    assert told == 1440


def test_a_failure_that_stayed_away_is_new_again_with_a_short_window() -> None:
    folding = Folding(window_s=10)
    for second in range(100):
        folding.admit(FAILED, {"error": "refused"}, float(second))
    folding.due(1000.0)
    assert len(folding.admit(FAILED, {"error": "refused"}, 1001.0)) == 1
    assert folding.admit(FAILED, {"error": "refused"}, 1002.0) == []
    assert len(folding.due(1011.0)) == 1


def test_memory_does_not_grow_with_the_number_of_errors() -> None:
    folding = Folding(most_kinds=8)
    folding.admit(FAILED, {"error": "0"}, 0.0)
    folding.admit(FAILED, {"error": "0"}, 0.0)
    lines = [line for n in range(1, 1000) for line in folding.admit(FAILED, {"error": str(n)}, float(n) / 1000)]
    assert sum("repeated" in line.fields for line in lines) == 1  # the evicted one told its count
    assert len(lines) == 1000
