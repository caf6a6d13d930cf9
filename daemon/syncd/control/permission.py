"""Who may do what on the control socket: a pure rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The process at the other end, as the kernel told when it connected. `groups` are the supplementary ones."""

    pid: int
    uid: int
    gid: int
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """The rule. `admin_group` is None where the host has no such group."""

    daemon_uid: int
    admin_group: int | None

    def allows(self, caller: Caller, *, changes: bool) -> bool:
        """Whether the caller may. Reading needs no more than the socket's own mode, which let the caller in."""
        if not changes or caller.uid in {0, self.daemon_uid}:
            return True
        return self.admin_group is not None and self.admin_group in caller.groups | {caller.gid}
