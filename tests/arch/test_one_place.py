"""What removes, renames or writes remotely has one call site each: whoever wants it goes through engine/execute."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from support.source import daemon_modules, dotted, modules

ANY = -1
# its own canary under .syncd/, before any engine stands; nobody else's key
PROBE = {f"syncd/s3/{name}.py": ANY for name in ("canary", "probe_content", "probe_conditions", "probe_parts")}

# what -> the files that may name it, and how often; each beside the one place has its reason
SITES: dict[str, dict[str, int]] = {
    "os.unlink": {
        "syncd/local/unlink.py": 1,
        "syncd/control/endpoint.py": 2,  # the control socket: a dead one before binding, ours after closing
    },
    "os.link": {"syncd/local/renameat2.py": 1},
    "renameat2": {"syncd/local/renameat2.py": ANY},  # found in libc, then handed to one caller
    "put_object": {"syncd/s3/gateway.py": 1, **PROBE},
    "copy_object": {"syncd/s3/gateway.py": 1, **PROBE},
    "delete_object": {"syncd/s3/gateway.py": 1, **PROBE},
    "create_multipart_upload": {"syncd/s3/gateway.py": 1, **PROBE},
    "upload_part": {"syncd/s3/gateway.py": 1, **PROBE},
    "complete_multipart_upload": {"syncd/s3/gateway.py": 1, **PROBE},
    "abort_multipart_upload": {"syncd/s3/gateway.py": 1, **PROBE},
    "upload_part_copy": {"syncd/s3/copying.py": 1},
    "os.rmdir": {"syncd/local/unlink.py": 1},  # an empty folder in the way of a file: nothing can be lost by it
    # never: they know no precondition, no flag, no proof, or more than one name at a time
    "os.remove": {},
    "os.rename": {},
    "os.renames": {},
    "os.replace": {},
    "os.removedirs": {},
    "os.truncate": {},
    "shutil.rmtree": {},
    "shutil.move": {},
    "shutil.copy": {},
    "shutil.copyfile": {},
    "delete_objects": {},
    "upload_file": {},
    "upload_fileobj": {},
    "download_file": {},
    "download_fileobj": {},
    "put_object_acl": {},
    "create_bucket": {},
    "delete_bucket": {},
}

# methods of pathlib.Path that change the world; with one argument at most, so that str.replace and ports are not meant
PATH_METHODS = {"unlink", "rename", "rmdir", "replace", "hardlink_to", "symlink_to"}

OWN_REPORTS = {"syncd/runtime/run_report.py"}  # last-run/NAME.json in the state folder, no file of a user

RULE = "one place that changes things: it demands a precondition and, for a removal, a proof (SEMANTICS.md)"


def sites(what: str) -> Counter[str]:
    """How often each file names this, called or handed on. A plain name means a method of that name on anything."""
    found: Counter[str] = Counter()
    for module in modules():
        for node in ast.walk(module.tree):
            name = dotted(node) if isinstance(node, ast.Attribute) else ""
            if name == what or ("." not in what and name.endswith(f".{what}")):
                found[module.path] += 1
    return found


@pytest.mark.parametrize("what", SITES)
def test_it_is_used_where_the_table_says(what: str) -> None:
    counted = {path: ANY if SITES[what].get(path) == ANY else times for path, times in sites(what).items()}
    assert counted == {path: times for path, times in SITES[what].items() if times != ANY or path in counted}, RULE


def test_paths_are_not_changed_behind_its_back() -> None:
    found = [
        f"{module.path}:{node.lineno} .{node.func.attr}(): {RULE}"
        for module in modules()
        if module.path not in OWN_REPORTS
        for node in module.calls()
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in PATH_METHODS
        and dotted(node.func.value) not in {"os", "dataclasses"}
        and len(node.args) <= 1
        and not node.keywords
    ]
    assert not found, "\n".join(found)


def test_none_is_imported_under_a_name_of_its_own() -> None:
    names = {call.partition(".")[2] for call in SITES if call.startswith(("os.", "shutil."))}
    found = [
        f"{module.path}:{node.lineno} imports {alias.name}: write {node.module}.{alias.name}, which is counted"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "shutil"}
        for alias in node.names
        if alias.name in names
    ]
    assert not found, "\n".join(found)


def test_no_file_is_opened_for_writing_outside_the_places_that_own_one() -> None:
    owners = {"local", "lifecycle", "store", "runtime", "app", "__main__"}
    found = [
        f"{module.path}:{node.lineno} opens a file to write: rooms that own files are {sorted(owners)}"
        for module in daemon_modules()
        if module.room not in owners
        for node in module.calls()
        if writes(node)
    ]
    assert not found, "\n".join(found)


def writes(node: ast.Call) -> bool:
    """Whether this is open(..., "w"), .write_text or .write_bytes."""
    name = dotted(node.func)
    if name.rpartition(".")[2] in {"write_text", "write_bytes"}:
        return True
    modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
    return name == "open" and any(
        isinstance(mode, ast.Constant) and isinstance(mode.value, str) and set(mode.value) & set("wax+")
        for mode in modes
    )
