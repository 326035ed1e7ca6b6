"""Transfers between accounts: what may leave, and that it arrives once, on whatever shard the other one lives."""

from collections.abc import Sequence
from typing import Any

import pytest

from schemas.messages import AccountKind, Control, ControlKind, OrderKind, Reason, Side, Transfer, TransferKind
from schemas.units import E8
from stream_topology.sharding import partition_of
from tests.oracle.risk_desk import Desk, open_desk
from workers.kernel.stage import Output


def test_what_is_free_moves_and_no_more() -> None:
    at = open_desk(alice={"USD": 1500 * E8}, bob={"USD": 1})
    assert at.transfer("alice", "bob", "USD", 500 * E8) is None
    assert (at.balance("alice", "USD"), at.balance("bob", "USD")) == ((1000 * E8, 0), (500 * E8 + 1, 0))
    assert at.transfer("alice", "bob", "USD", 1000 * E8 + 1) == (
        Reason.FUNDS_INSUFFICIENT,
        1000 * E8,
        1000 * E8 + 1,
    )
    assert at.transfer("alice", "bob", "EUR", 1) == (Reason.FUNDS_INSUFFICIENT, 0, 1)
    assert at.transfer("alice", "bob", "USD", 1000 * E8) is None
    assert at.balance("alice", "USD") == (0, 0)


def test_what_an_order_holds_cannot_be_moved() -> None:
    at = open_desk(alice={"USD": 1500 * E8}, bob={})
    order = at.placed(quantity_e8=E8)
    held_e8 = 1002 * E8
    assert at.transfer("alice", "bob", "USD", 500 * E8) == (Reason.FUNDS_INSUFFICIENT, 1500 * E8 - held_e8, 500 * E8)
    assert at.balance("alice", "USD") == (1500 * E8, held_e8)
    at.ended(order)
    assert at.transfer("alice", "bob", "USD", 500 * E8) is None


def margin_desk(**funds: int) -> Desk:
    at = open_desk(bob={})
    at.account("alice", funds=funds, account_kind=AccountKind.MARGIN, leverage_e8=2 * E8)
    return at


def test_a_margin_account_gives_what_its_margin_leaves() -> None:
    at = margin_desk(USD=1000 * E8)
    at.placed(quantity_e8=E8)  # an exposure of 1000 needs an equity of 500
    assert at.transfer("alice", "bob", "USD", 500 * E8 + 1) == (
        Reason.MARGIN_INSUFFICIENT,
        1000 * E8 - 2,
        1000 * E8,
    )
    assert at.transfer("alice", "bob", "USD", 500 * E8) is None


def test_a_margin_account_gives_nothing_that_it_does_not_have() -> None:
    at = margin_desk(USD=1000 * E8)
    assert at.transfer("alice", "bob", "BTC", 1) == (Reason.FUNDS_INSUFFICIENT, 0, 1)
    order = at.placed(quantity_e8=E8 + E8 // 2)
    at.filled(order, E8 + E8 // 2, 1000 * E8)
    assert at.balance("alice", "USD")[0] == -500 * E8
    assert at.transfer("alice", "bob", "USD", 1) == (Reason.FUNDS_INSUFFICIENT, -500 * E8, 1)
    # 1.5 BTC less 0.5 leave an equity of 500 and an exposure of 1000.
    assert at.transfer("alice", "bob", "BTC", E8 // 2 + 1)[0] is Reason.MARGIN_INSUFFICIENT  # type: ignore[index]
    assert at.transfer("alice", "bob", "BTC", E8 // 2) is None


def test_a_margin_account_with_something_that_has_no_mark_gives_nothing() -> None:
    at = margin_desk(USD=1000 * E8, ETH=E8)
    at.symbol(symbol="ETH-USD", base="ETH", reference_price_e8=None)
    assert at.transfer("alice", "bob", "USD", 1) == (Reason.NO_MARK, None, None)
    at.mark(5 * E8, "ETH-USD")
    assert at.transfer("alice", "bob", "USD", 1) is None


def test_an_account_that_was_never_made_gives_nothing() -> None:
    at = open_desk(bob={})
    at.funds("nobody", "USD", 5)
    for giver in ("nobody", "who"):
        assert at.transfer(giver, "bob", "USD", 5) == (Reason.ACCOUNT_UNKNOWN, None, None)


def test_a_transfer_seen_twice_moves_once() -> None:
    at = open_desk(alice={"USD": 10}, bob={})
    for _ in range(2):
        assert at.transfer("alice", "bob", "USD", 3, control_id="same") is None
    assert (at.balance("alice", "USD"), at.balance("bob", "USD")) == ((7, 0), (3, 0))


@pytest.mark.parametrize("giver", ["alice", "bob"])
def test_reduce_only_orders_that_would_do_more_are_taken_out_at_both_ends(giver: str) -> None:
    at = open_desk()
    for name, btc_e8 in (("alice", E8), ("bob", -E8)):
        at.account(name, funds={"USD": 9000 * E8, "BTC": btc_e8}, account_kind=AccountKind.MARGIN, leverage_e8=5 * E8)
    at.account("carol", funds={"BTC": E8})
    if giver == "alice":  # a long one has less to sell
        order = at.placed("alice", side=Side.SELL, reduce_only=True)
        assert at.transfer("alice", "carol", "BTC", 1) is None
    else:  # a short one has less to buy back
        order = at.placed("bob", side=Side.BUY, reduce_only=True)
        assert at.transfer("carol", "bob", "BTC", 1) is None
    assert [(gone.order_id, gone.kind, gone.reason) for gone in at.removed] == [
        (order.order_id, OrderKind.REMOVE, Reason.REDUCE_ONLY)
    ]


def two_shards() -> tuple[list[Desk], str, str]:
    """Two desks, and an account on each."""
    names = [f"desk-{number}" for number in range(20)]
    first = next(name for name in names if partition_of(name, 2) == 0)
    second = next(name for name in names if partition_of(name, 2) == 1)
    return [Desk(shard, 2) for shard in range(2)], first, second


def everywhere(desks: Sequence[Desk], kind: ControlKind, **fields: Any) -> list[Sequence[Output]]:
    return [desk.put("control", "control", Control(kind, **fields)) for desk in desks]


def test_accounts_of_two_shards() -> None:
    desks, giver, taker = two_shards()
    for desk in desks:
        desk.symbol()
        for name in (giver, taker):
            desk.account(name)
    everywhere(desks, ControlKind.FUNDS, control_id="deposit", account=giver, currency="USD", amount_e8=10)
    moved = {"account": giver, "to_account": taker, "currency": "USD", "amount_e8": 4}
    outputs, others = everywhere(desks, ControlKind.TRANSFER, control_id="move", **moved)
    assert others == ()
    assert [(output.topic, output.key) for output in outputs] == [("transfers", giver), ("transfers", taker)]
    sent, received = (output.message for output in outputs)
    assert isinstance(sent, Transfer)
    assert isinstance(received, Transfer)
    assert (sent.kind, received.kind, received.amount_e8) == (TransferKind.SENT, TransferKind.RECEIVED, 4)
    assert (desks[0].balance(giver, "USD")[0], desks[1].balance(taker, "USD")[0]) == (6, 0)  # 4 are under way
    desks[0].put("transfers", giver, sent)
    desks[1].put("transfers", taker, received)
    assert (desks[0].balance(giver, "USD")[0], desks[1].balance(taker, "USD")[0]) == (6, 4)


def test_what_is_not_a_transfer_is_a_bug() -> None:
    at = open_desk()
    with pytest.raises(TypeError, match="transfers carries Transfer records, not Control"):
        at.put("transfers", "alice", Control(ControlKind.FUNDS, "x"))
