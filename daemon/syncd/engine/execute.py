"""The one place that changes things: a decided step becomes calls, under the preconditions it was decided on."""

from __future__ import annotations

from syncd.core.exhaustive import assert_never
from syncd.core.rules import Do
from syncd.engine import cleaning, removing, transferring
from syncd.engine.context import Context
from syncd.engine.done import Done
from syncd.engine.step import Step
from syncd.errors import Stale
from syncd.ports import Openness

TOUCHES_LOCAL = {Do.DOWNLOAD, Do.KEEP_BOTH, Do.TRASH_LOCAL}
"""Steps that move a local file out of the way: it must not be open for writing elsewhere."""


def execute(context: Context, step: Step) -> Done:  # noqa: RET503  # the match is exhaustive
    """Do what the step says. Raises Stale, ItemError, RemoteError or PairHalted; whatever happens loses nothing."""
    _leave_open_files_alone(context, step)
    match step.rule.do:
        case Do.NOTHING:
            return Done(commit=None)
        case Do.ADOPT:
            return transferring.run_adopt(context, step)
        case Do.UPLOAD:
            return transferring.run_upload(context, step)
        case Do.DOWNLOAD:
            return transferring.run_download(context, step)
        case Do.STORE_CONFLICT:
            return transferring.run_store_conflict(context, step)
        case Do.KEEP_BOTH:
            return transferring.run_keep_both(context, step)
        case Do.TRASH_LOCAL:
            return removing.run_trash_local(context, step)
        case Do.DELETE_REMOTE:
            return removing.run_delete_remote(context, step)
        case Do.REMEMBER_LOCAL | Do.REMEMBER_REMOTE:
            return removing.run_remember(context, step)
        case Do.MARK_SUPERSEDED:
            return removing.run_mark(context, step, "superseded")
        case Do.MARK_DIVERGED:
            return removing.run_mark(context, step, "diverged")
        case Do.CLEAN:
            return cleaning.run_clean(context, step)
        case Do.FINISH_CLEANING:
            return cleaning.run_finish_cleaning(context, step)
        case Do.UNSTAGE:
            return cleaning.run_unstage(context, step)
        case Do.RECORD_CLEANED:
            return removing.run_record_cleaned(context, step)
        case Do.DROP:
            return removing.run_drop(context, step)
        case _:
            assert_never(step.rule.do)


def _leave_open_files_alone(context: Context, step: Step) -> None:
    if step.rule.do not in TOUCHES_LOCAL or step.sides.stat is None:
        return
    if context.tree.open_elsewhere(step.path, for_writing=True) is Openness.OPEN:
        raise Stale("open for writing elsewhere")
