"""From what was measured to what is read: a table on the terminal, JSON, a picture, and the table of the page."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from bench import machine
from bench.peers import CHECKOUT
from bench.world import Result

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
DRAW = Path(__file__).with_name("picture.py")


def shown(result: Result) -> str:
    """One row, as soon as it is there."""
    row = result.document()
    where = ", ".join(filter(None, (row["server"], row["transport"])))
    lines = [f"{row['name']}: {row['title']}" + (f" ({where})" if where else "")]
    if row["skipped"]:
        return f"{lines[0]}\n  skipped: {row['skipped']}"
    for one in row["medians"]:
        who = f"{one['client']} {one['variant']}"
        lines.append(f"  {who:<18} {one['wall_s']:>8.2f} s {one['cpu_s']:>8.2f} s CPU {one['peak_mib']:>6.0f} MiB")
    lines += [f"  {name}: {number:g}" for name, number in row["figures"].items()]
    lines += [f"  {_verdict(one)}" for one in row["verdicts"]]
    lines += [f"  ! {note}" for note in row["notes"]]
    return "\n".join(lines)


def _verdict(one: dict[str, Any]) -> str:
    value = "-" if one["value"] is None else f"{one['value']:g}"
    return f"{one['verdict']:<6} {one['what']}: {value}, bar {one['limit']:g}"


def settings(document: dict[str, Any]) -> str:
    """On what, with what."""
    at = document["machine"]
    return (
        f"{at['at']}, {at['cores']} cores of {at['processor']}, {at['memory_mib']:,} MiB, Linux {at['kernel']}, "
        f"load {at['load']:g} at the end, {document['seconds']} s\n"
        + " · ".join(f"{name} {version}" for name, version in document["versions"].items())
    )


def verdicts(document: dict[str, Any]) -> str:
    """Every bar in one place."""
    lines = [f"{row['name']:<20} {_verdict(one)}" for row in document["rows"] for one in row["verdicts"]]
    return "\n".join(lines) or "no bars in these rows"


# --- files --------------------------------------------------------------------------------------------------------


def write(folder: Path, document: dict[str, Any], python: Path) -> Path:
    """The JSON, and beside it a PNG where matplotlib is there. The path of the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{machine.slug(document)}.json"
    text = json.dumps(document, indent=1, ensure_ascii=False).replace(str(CHECKOUT), ".")  # it is published
    target.write_text(text + "\n")
    drawn = subprocess.run([python, DRAW, target, target.with_suffix(".png")], check=False)
    if drawn.returncode:
        print("no picture: matplotlib is not there")
    return target


def into_page(page: Path, source: Path, document: dict[str, Any]) -> None:
    """Put the table between its marks."""
    text = page.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{table(source.name, document)}\n{END}{after}")


def table(name: str, document: dict[str, Any]) -> str:
    """What the page shows of the JSON of that name."""
    lines = [
        f"From [{name}](bench/{name}), drawn in [{name[:-5]}.png](bench/{name[:-5]}.png).",
        "",
        *settings(document).splitlines(),
        "",
        "| row | what | where | client | wall s | CPU s | RSS MiB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in document["rows"]:
        where = " ".join(filter(None, (row["server"], row["transport"])))
        for one in row["medians"]:
            lines.append(
                f"| {row['name']} | {row['title']} | {where} | {_cell(one['client'])} {one['variant']} | "
                f"{one['wall_s']:.2f} | {one['cpu_s']:.2f} | {one['peak_mib']:.0f} |"
            )
    lines += ["", "| row | figure | value |", "| --- | --- | --- |"]
    for row in document["rows"]:
        lines += [f"| {row['name']} | {_cell(figure)} | {number:g} |" for figure, number in row["figures"].items()]
        if row["skipped"]:
            lines.append(f"| {row['name']} | skipped | {row['skipped']} |")
    lines += ["", "| row | bar | measured | at most (at least) | |", "| --- | --- | --- | --- | --- |"]
    for row in document["rows"]:
        for one in row["verdicts"]:
            value = "-" if one["value"] is None else f"{one['value']:g}"
            lines.append(f"| {row['name']} | {one['what']} | {value} | {one['limit']:g} | {one['verdict']} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def named_in(page: str) -> str:
    """The JSON file that a page's table says it is from; empty: none."""
    found = re.search(re.escape(BEGIN) + r"\nFrom \[([^\]]+\.json)\]", page)
    return found.group(1) if found else ""


def table_of(page: str) -> str:
    """The table as it stands in a page."""
    return page.partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0]
