"""What README and docs name is there, and what is there stands in them: verbs, flags, keys, events, codes, links."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from support.pages import PAGES, codes, commands, flags_in, words
from support.source import CHECKOUT, dotted, modules
from syncd import events
from syncd.arguments import make_parser
from syncd.config import variables
from syncd.config.document import read_document
from syncd.config.parse import collect
from syncd.config.schema import AWS_CLASSES, KEYS
from syncd.core.rules import RULES
from syncd.runtime.status import COUNTS
from syncd.workers.standing import STATE_OF
from synctl.arguments import LATER, build, verb_names
from syncwire.exits import Exit

FOREIGN_VARIABLES = {"AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}  # by boto3
MAKE_VARIABLES = {"REQUIRE_ALL", "SOAK_SECONDS", "SOAK_SERVER", "PYTHON", "VENV"}


def offered(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


SYNCD_FLAGS = offered(make_parser())
COMMON = {"--json", "--socket", "--no-color", "--help", "-h"}
VERBS = verb_names()


@cache
def verb_flags() -> dict[str, set[str]]:
    """Each verb with the options that it and its second words take."""
    action = next(one for one in build()._actions if isinstance(one, argparse._SubParsersAction))
    found: dict[str, set[str]] = {}
    for name, parser in action.choices.items():
        inner = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
        nested = [option for one in inner for below in one.choices.values() for option in offered(below)]
        found[name] = offered(parser) | set(nested)
    return found


# --- the programs ---------------------------------------------------------------------------------------------


def test_the_pages_are_read() -> None:
    assert len(PAGES) >= 8
    assert len(list(commands("synctl"))) > 60
    assert len(list(commands("syncd"))) > 15


def test_every_synctl_command_in_the_pages_is_one() -> None:
    wrong = []
    for code, command in commands("synctl"):
        verb = next((word for word in words(command) if not word.startswith("-") and word not in COMMON), "")
        if verb == "VERB" or not re.match(r"[a-z]", verb):
            continue
        if verb not in VERBS:
            wrong.append(f"{code}: there is no verb {verb}")
        else:
            wrong += [
                f"{code}: {verb} takes no {flag}"
                for flag in flags_in(command)
                if flag not in verb_flags()[verb] | COMMON
            ]
    assert not wrong, "\n".join(wrong)


def test_every_verb_and_each_of_its_options_stands_in_the_pages() -> None:
    there = "\n".join(code.text for code in codes())
    silent = [verb for verb in VERBS if not re.search(rf"synctl {verb}\b", there)]
    assert not silent, f"write of these verbs: {silent}"
    operate = (CHECKOUT / "docs" / "operate.md").read_text(encoding="utf-8")
    missing = [
        f"synctl {verb} {flag}"
        for verb, flags in verb_flags().items()
        for flag in flags - COMMON
        if verb not in LATER and flag.startswith("--") and not re.search(rf"(?<![\w-]){flag}(?![\w-])", operate)
    ]
    assert not missing, f"docs/operate.md is silent on {missing}"
    restless = [verb for verb in VERBS if verb not in LATER and f"synctl {verb}" not in operate]
    assert not restless, f"docs/operate.md is silent on {restless}"


def test_verbs_of_a_later_version_are_named_only_where_it_is_said() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Not there yet")[1].split("\n## ")[0]
    assert all(f"synctl {verb}" in section for verb in LATER)
    rest = readme.replace(section, "") + "".join(
        page.read_text(encoding="utf-8") for page in PAGES if page.name != "README.md"
    )
    assert not [verb for verb in LATER if f"synctl {verb}" in rest]


def test_every_flag_of_syncd_in_the_pages_is_one() -> None:
    wrong = [
        f"{code}: {flag}" for code, line in commands("syncd") for flag in flags_in(line) if flag not in SYNCD_FLAGS
    ]
    alone = SYNCD_FLAGS | {flag for flags in verb_flags().values() for flag in flags}
    wrong += [
        str(code)
        for code in codes()
        if code.inline and code.text.startswith("-")
        for flag in flags_in(code.text)
        if flag not in alone
    ]
    assert not wrong, "\n".join(wrong)


def test_every_flag_of_syncd_stands_in_the_pages() -> None:
    there = "\n".join(code.text for code in codes())
    missing = [flag for flag in SYNCD_FLAGS - {"-h", "--help"} if not re.search(rf"(?<![\w-]){flag}(?![\w-])", there)]
    assert not missing, f"write of these flags: {sorted(missing)}"


def test_every_make_target_in_the_pages_is_one() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = [
        (code, target)
        for code in codes()
        for target in re.findall(r"(?:^|\s)make (?:[A-Z]+=\S+ )*([a-z-]+)", code.text)
    ]
    assert len(named) > 5
    assert not [str(code) for code, target in named if target not in targets]


# --- the configuration ------------------------------------------------------------------------------------------

KEY_NAMES = {key.name for key in KEYS}
SETTING = re.compile(r"^([a-z_]+) ?=(?: |$)")


def test_every_key_in_the_pages_is_one() -> None:
    wrong = [
        str(code) for code in codes() if (found := SETTING.match(code.text.strip("# "))) and found[1] not in KEY_NAMES
    ]
    assert not wrong, "\n".join(wrong)


def test_every_key_stands_in_the_pages_or_in_the_commented_file() -> None:
    shown = (CHECKOUT / "etc" / "syncd.toml").read_text(encoding="utf-8")
    missing = [key.name for key in KEYS if not re.search(rf"^(?:# )?{key.name} = ", shown, re.MULTILINE)]
    assert not missing, f"etc/syncd.toml is silent on {missing}"


def test_what_is_shown_as_toml_is_a_configuration_that_can_be_used(tmp_path: Path) -> None:
    from syncd.config.findings import Findings

    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert blocks
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.toml"
        file.write_text(block, encoding="utf-8")
        findings = Findings()
        collect(read_document(file), findings, hostname="host", source=str(file), state_dir=tmp_path)
        findings.raise_if_any()


# --- the environment --------------------------------------------------------------------------------------------

VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")


def asked_for() -> set[str]:
    """Every variable that the programs read: by name from the environment, or from a table in config/variables."""
    found = {name for value in vars(variables).values() if isinstance(value, tuple) for name in value if _is_name(name)}
    for module in modules():
        for node in ast.walk(module.tree):
            found |= set(_asked(node, everywhere=module.name == variables.__name__))
    return found


def _asked(node: ast.AST, *, everywhere: bool) -> Iterator[str]:
    """The names in `environ.get("X")`, `environ["X"]`, `"X" in environ` and loops over names in config/variables."""
    named: list[ast.expr] = []
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr="get")) if _is_environment(value):
            named = node.args[:1]
        case ast.Subscript(value=value, slice=index) if _is_environment(value):
            named = [index]
        case ast.Compare(left=left, comparators=[value]) if _is_environment(value):
            named = [left]
        case ast.Constant() if everywhere:
            named = [node]
    yield from (each.value for each in named if isinstance(each, ast.Constant) and _is_name(each.value))


def _is_environment(node: ast.expr) -> bool:
    return dotted(node).rpartition(".")[2].lstrip("_") == "environ"


def _is_name(value: object) -> bool:
    return isinstance(value, str) and VARIABLE.fullmatch(value) is not None and len(value) > 3


def metavars() -> set[str]:
    """Words that stand for something else in a synopsis."""
    action = next(one for one in build()._actions if isinstance(one, argparse._SubParsersAction))
    every = [make_parser(), *action.choices.values()]
    return {str(one.metavar) for parser in every for one in parser._actions if one.metavar}


def test_every_variable_in_the_pages_is_read() -> None:
    known = asked_for() | FOREIGN_VARIABLES | MAKE_VARIABLES | metavars() | set(AWS_CLASSES)
    named = [
        (code, name)
        for code in codes()
        for name in re.findall(r"(?<![\w.$/-])\$?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w.])", code.text)
    ]
    assert len(named) > 40
    wrong = [f"{code}: {name}" for code, name in named if name not in known]
    assert not wrong, "nobody reads these variables:\n" + "\n".join(wrong)


def test_every_variable_that_is_read_stands_in_the_pages() -> None:
    there = {name for code in codes() for name in VARIABLE.findall(code.text)}
    missing = asked_for() - there
    assert {"S3_BUCKET", "SYNCTL_SOCKET", "NO_COLOR", "S5CMD_PART_SIZE", "DATABASE_PATH"} <= asked_for()
    assert not missing, f"docs/migrate.md is silent on {sorted(missing)}"


# --- words ------------------------------------------------------------------------------------------------------


def test_every_event_and_rule_in_the_pages_is_one() -> None:
    known = {value for name, value in vars(events).items() if name.isupper()}
    heads = {value.partition(".")[0] for value in known} | {rule.partition(".")[0] for rule in RULES if "." in rule}
    named = [
        code
        for code in codes()
        if code.inline and re.fullmatch(r"[a-z_-]+\.[a-z_-]+", code.text) and code.text.partition(".")[0] in heads
    ]
    assert named
    wrong = [str(code) for code in named if code.text not in known | RULES.keys()]
    assert not wrong, "neither an event nor a rule:\n" + "\n".join(wrong)


def test_every_rule_in_a_shown_answer_is_one() -> None:
    shown = [found for code in codes() for found in re.findall(r"\(rule ([a-z.-]+)\)", code.text)]
    assert shown
    assert set(shown) <= RULES.keys()


@pytest.mark.parametrize("page", ["README.md", "docs/operate.md"])
def test_the_tables_of_exit_codes_are_complete(page: str) -> None:
    rows = re.findall(r"^\| (\d+) \|", (CHECKOUT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == [int(code) for code in Exit]


def test_every_exit_code_in_the_pages_is_one() -> None:
    named = [
        (page.name, int(found))
        for page in PAGES
        for found in re.findall(r"[Ee]xit (?:code )?(\d+)", page.read_text(encoding="utf-8"))
    ]
    assert len(named) > 10
    assert not [one for one in named if one[1] not in set(Exit)]


def first_cells(page: str, head: str) -> list[str]:
    """The first column of the table whose first head that is, without backticks."""
    text = (CHECKOUT / page).read_text(encoding="utf-8").split(f"| {head} |")[1].split("\n\n")[0]
    return [line.split("|")[1].strip(" `") for line in text.splitlines()[2:]]


def states() -> set[str]:
    """Every word that a section's state, or its row in status, is set to."""
    found = set(STATE_OF.values())
    for module in modules():
        if module.name.split(".")[1:2] not in (["workers"], ["runtime"]):
            continue
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(func=ast.Attribute(attr="_state"), args=[value]):
                    found |= _strings(value)
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="section" | "self"), attr="state")]):
                    found |= _strings(node.value)
                case ast.Assign(targets=[ast.Name(id="state")]) if module.name.endswith((".section", ".status")):
                    found |= _strings(node.value)
                case ast.Assign(
                    targets=[ast.Tuple(elts=[ast.Name(id="state"), *_])], value=ast.Tuple(elts=[value, *_])
                ):
                    found |= _strings(value)
    return found


def _strings(value: ast.expr) -> set[str]:
    match value:
        case ast.Constant(value=str(word)):
            return {word}
        case ast.IfExp(body=body, orelse=other):
            return _strings(body) | _strings(other)
    return set()


def test_every_state_and_count_has_its_row() -> None:
    assert {"idle", "halted", "draining", "transferring", "auth-expired"} <= states()
    assert set(first_cells("docs/operate.md", "state")) == states()
    assert set(first_cells("docs/operate.md", "count")) == set(COUNTS)


# --- links ------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_relative_link_leads_somewhere() -> None:
    wrong = []
    pages = (*PAGES, *sorted((CHECKOUT / "daemon").glob("*.md")))
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                wrong.append(f"{page.relative_to(CHECKOUT)}: {target}")
    assert not wrong, "\n".join(wrong)


def test_every_page_can_be_reached_from_the_readme() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES[1:] if f"({page.relative_to(CHECKOUT).as_posix()})" not in readme]


def test_every_file_of_the_checkout_that_is_named_is_there() -> None:
    named = [
        code
        for code in codes()
        if re.fullmatch(r"(?:etc|docs|daemon|tests|systemd|packaging|\.ci)/[\w./-]+", code.text)
    ]
    assert len(named) > 5
    assert not [str(code) for code in named if not (CHECKOUT / code.text).exists()]
