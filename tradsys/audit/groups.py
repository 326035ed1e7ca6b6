"""Orders that were placed together: what happened to one is followed by what the venue promised of the others."""

from collections import defaultdict
from collections.abc import Iterator

from schemas.groups import PROFIT_MEMBER, member_id
from schemas.messages import Execution, ExecutionKind, Reason
from schemas.order_states import ANSWERS_ONLY, FINAL
from tradsys.audit.contents import Contents, Finding

_UNDECIDED = frozenset({ExecutionKind.NEW, ExecutionKind.AMENDED, ExecutionKind.REJECTED})


def groups(contents: Contents) -> Iterator[Finding]:
    """Of a pair one order trades, and cancels the other once; a bracket's is of what was filled of its entry."""
    members: dict[int, list[Execution]] = defaultdict(list)
    for execution in contents.executions():
        if execution.group_id is not None and execution.kind not in ANSWERS_ONLY:
            members[execution.group_id].append(execution)
    for group, told in sorted(members.items()):
        ids = {execution.order_id for execution in told}
        if len(ids) == 1 or member_id(group, PROFIT_MEMBER) in ids:  # the entry of a bracket, without or with a pair
            brought = [execution for execution in told if execution.order_id != group]
            entry = [execution for execution in told if execution.order_id == group]
            yield from _bracket(group, entry, brought)
            yield from _pair(group, brought)
        else:
            yield from _pair(group, told)


def _pair(group: int, told: list[Execution]) -> Iterator[Finding]:
    """The first that trades, is triggered or ends is the only one: the other is cancelled for it, once."""
    decided: int | None = None
    cancelled = False
    for execution in told:
        order_id = execution.order_id
        if decided is None:
            if execution.kind not in _UNDECIDED:
                decided = order_id
        elif order_id != decided:
            if execution.reason is not Reason.ONE_CANCELS_OTHER or cancelled:
                yield Finding("groups", str(group), f"{execution.kind} of {order_id} after the other one had decided")
            cancelled = True
    if decided is not None and not cancelled:
        yield Finding("groups", str(group), f"order {decided} has not cancelled the other")


def _bracket(group: int, entry: list[Execution], brought: list[Execution]) -> Iterator[Finding]:
    """A pair of the other side comes, or is refused, after the entry's end and of no more than was filled of it."""
    end = next((execution for execution in entry if execution.status in FINAL), None)
    filled_e8 = 0 if end is None else end.cumulative_e8
    begun = {execution.order_id: execution for execution in reversed(brought)}
    if filled_e8 and len(begun) < 2:  # noqa: PLR2004 - a pair
        yield Finding("groups", str(group), f"{filled_e8} was filled of the entry, and {len(begun)} orders came of it")
    for order_id, first in begun.items():
        early = end is None or (first.kind is not ExecutionKind.REJECTED and first.execution_id < end.execution_id)
        if early or first.quantity_e8 > filled_e8:
            yield Finding("groups", str(group), f"{order_id} is of {first.quantity_e8}, filled were {filled_e8}")
        if not first.reduce_only or first.side is (end or first).side:
            yield Finding("groups", str(group), f"{order_id} may do more than reduce what the entry has brought")
    if len({first.quantity_e8 for first in begun.values()}) > 1:
        yield Finding("groups", str(group), "what came of the entry differs in quantity")
