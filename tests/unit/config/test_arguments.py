"""The command line of syncd."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd import __version__
from syncd.arguments import Action, Arguments, parse
from syncd.config.flags import Flags, PairFlags


def test_no_argument_runs_in_the_foreground() -> None:
    assert parse([]) == Arguments()


@pytest.mark.parametrize("action", [action for action in Action if action is not Action.RUN])
def test_each_action_has_its_flag(action: Action) -> None:
    assert parse([action.value]).action is action


def test_short_flags_of_the_old_tool() -> None:
    found = parse(["-o", "-b", "bucket", "-l", "logs", "-r", "eu-west-1", "-c", "-u", "-v"])
    assert found == Arguments(
        action=Action.ONCE,
        flags=Flags(
            verbose=True,
            pair=PairFlags(bucket="bucket", logs=Path("logs"), region="eu-west-1", cleanup=True, upload_only=True),
        ),
    )


def test_every_long_flag() -> None:
    found = parse(
        [
            "--once",
            "--dry-run",
            "--report",
            "r.json",
            "--log-file",
            "l",
            "--state-dir",
            "s",
            "--socket",
            "k",
            "--bucket",
            "b",
            "--logs",
            "d",
            "--region",
            "r",
            "--prefix",
            "p",
            "--hash-type",
            "md5",
            "--download-only",
            "--conflict",
            "keep-both",
            "--interval",
            "1h30m",
            "--endpoint-url",
            "http://h",
        ]
    )
    assert found == Arguments(
        action=Action.ONCE,
        dry_run=True,
        report=Path("r.json"),
        log_file=Path("l"),
        flags=Flags(
            state_dir=Path("s"),
            socket=Path("k"),
            pair=PairFlags(
                bucket="b",
                logs=Path("d"),
                region="r",
                prefix="p",
                hash_type="md5",
                download_only=True,
                conflict="keep-both",
                interval="1h30m",
                endpoint_url="http://h",
            ),
        ),
    )


def test_the_flags_that_fit_any_pair_go_with_a_file() -> None:
    found = parse(
        [
            "--config",
            "f",
            "--doctor",
            "--json",
            "--region",
            "r",
            "--endpoint-url",
            "u",
            "--interval",
            "5",
            "--conflict",
            "local",
        ]
    )
    assert found.flags.config == Path("f")
    assert found.json


CONTRADICTIONS = [
    ("-u -d", "contradict"),
    ("--once --daemon", "--once and --daemon"),
    ("--stop --kill", "choose one"),
    ("--check-config --doctor", "choose one"),
    ("--dry-run", "--once"),
    ("--dry-run --daemon", "--once"),
    ("--json", "--doctor"),
    ("--report f --stop", "--stop"),
    ("--config f -b x", "-b with --config"),
    ("--config f -l x", "-l with --config"),
    ("--config f --prefix x", "--prefix with --config"),
    ("--hash-type sha1", "sha256"),
    ("--conflict older", "newer"),
    ("--interval 0", "over 0"),
    ("--interval soon", "1h30m"),
    ("--interval=-5", "--interval"),
    ("--conf f", "unrecognized"),
    ("extra", "extra"),
    ("--state-dir=", "empty"),
    ("--logs=", "empty"),
    ("--bucket", "expected one argument"),
]


EVERY_FLAG = (
    *("--config", "--once", "--daemon", "--stop", "--kill", "--check-config", "--dry-run", "--doctor", "--json"),
    *("--report", "--log-file", "--state-dir", "--socket", "--version", "--prefix", "--hash-type", "--conflict"),
    *("-o", "-v", "-b", "-l", "-r", "-c", "-u", "-d", "--interval", "--endpoint-url"),
)


@pytest.mark.parametrize(("line", "said"), CONTRADICTIONS)
def test_what_cannot_be_meant_is_exit_2_with_a_sentence(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(line.split())
    assert caught.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"syncd {__version__}\n"


def test_the_help_fits_80_columns_and_names_every_flag(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in ("20", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        with pytest.raises(SystemExit) as caught:
            parse(["--help"])
        assert caught.value.code == 0
        told = capsys.readouterr().out
        assert max(map(len, told.splitlines())) <= 80
        assert [flag for flag in EVERY_FLAG if flag not in told] == []


def test_which_pair_flags_were_given_is_known() -> None:
    assert PairFlags().given() == ()
    assert PairFlags(bucket="", hash_type="md5", cleanup=True).given() == ("--bucket", "--hash-type", "--cleanup")
