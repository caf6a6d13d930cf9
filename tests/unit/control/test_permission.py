"""Who may do what: the whole matrix."""

from __future__ import annotations

import pytest

from syncd.control.permission import Caller, Permission

RULE = Permission(daemon_uid=990, admin_group=2000)
CALLERS = {
    "root": (Caller(pid=1, uid=0, gid=0), True),
    "the daemon's own user": (Caller(pid=1, uid=990, gid=990), True),
    "a stranger in the readers' group": (Caller(pid=1, uid=1000, gid=1000, groups=frozenset({1999})), False),
    "an admin by a supplementary group": (Caller(pid=1, uid=1000, gid=1000, groups=frozenset({1999, 2000})), True),
    "an admin by the primary group": (Caller(pid=1, uid=1000, gid=2000), True),
    "a user whose uid is the admins' gid": (Caller(pid=1, uid=2000, gid=1000), False),
}


@pytest.mark.parametrize("who", CALLERS)
def test_everyone_who_was_let_in_may_read(who: str) -> None:
    assert RULE.allows(CALLERS[who][0], changes=False)


@pytest.mark.parametrize("who", CALLERS)
def test_only_root_the_daemon_and_admins_may_change(who: str) -> None:
    caller, may = CALLERS[who]
    assert RULE.allows(caller, changes=True) is may


def test_without_an_admin_group_nobody_is_an_admin() -> None:
    rule = Permission(daemon_uid=990, admin_group=None)
    assert not rule.allows(Caller(pid=1, uid=1000, gid=0, groups=frozenset({0, 2000})), changes=True)
