"""Another live host that has our id: a clone of this machine, with its machine-id and its root."""

from __future__ import annotations

from syncd import events
from syncd.core.model import ObjectFacts
from syncd.core.paths import RelPath
from syncd.engine.context import Context


def look_for_twin(context: Context, path: RelPath, facts: ObjectFacts | None) -> None:
    """Say it, once for each, where a host of another name writes under our id while we run.

    Older objects tell nothing: this host may have had another name. Cleanup takes what carries our id for ours.
    """
    host = context.host
    if facts is None or facts.host_id != host.id or facts.host_name in {None, host.name}:
        return
    twins = context.endpoint.twins
    if facts.last_modified_s <= host.since or facts.host_name in twins:
        return
    assert facts.host_name is not None
    twins.add(facts.host_name)
    context.events.emit(
        events.HOST_DOUBLED,
        pair=context.pair.name,
        path=path,
        reason=f"{facts.host_name} writes under the id of this host ({host.name}): one was cloned from the other",
        hint="on the clone: rm /etc/machine-id && systemd-machine-id-setup, remove .syncd/root.json from its root, "
        "and give each host a prefix of its own",
    )
