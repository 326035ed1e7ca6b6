"""Orders that were placed together: what happened to one is followed by what the venue promised of the others."""

from collections.abc import Iterator

from schemas.messages import ExecutionKind, Reason
from schemas.order_states import ANSWERS_ONLY
from tradsys.audit.contents import Contents, Finding

_UNDECIDED = frozenset({ExecutionKind.NEW, ExecutionKind.AMENDED, ExecutionKind.REJECTED})


def groups(contents: Contents) -> Iterator[Finding]:
    """Of a pair the first that trades, is triggered or ends is the only one: the other is cancelled for it, once."""
    decided: dict[int, int] = {}
    cancelled: set[int] = set()
    for execution in contents.executions():
        group, order_id = execution.group_id, execution.order_id
        if group is None or execution.kind in ANSWERS_ONLY:
            continue
        if group not in decided:
            if execution.kind not in _UNDECIDED:
                decided[group] = order_id
        elif order_id != decided[group]:
            if execution.reason is not Reason.ONE_CANCELS_OTHER or group in cancelled:
                yield Finding("groups", str(group), f"{execution.kind} of {order_id} after the other one had decided")
            cancelled.add(group)
    for group in sorted(decided.keys() - cancelled):
        yield Finding("groups", str(group), f"order {decided[group]} has not cancelled the other")
