"""The ledger: who gives what to whom, and the balances after it."""

from collections.abc import Sequence

import pytest

from schemas.messages import Control, ControlKind, LedgerEntry, LedgerKind, Side, TransferKind
from schemas.units import E8, make_id
from stream_topology.sharding import partition_of
from tests.oracle.fills import Book, postings_of
from workers.kernel.stage import Output


def book() -> Book:
    at = Book()
    at.symbol()
    return at


def moves(outputs: Sequence[Output]) -> list[tuple[LedgerKind, str, str, str, int, int]]:
    """Kind, from, to, currency, amount, the customer's balance after."""
    return [
        (entry.kind, entry.credit_account, entry.debit_account, entry.currency, entry.amount_e8, entry.balance_e8)
        for entry in postings_of(outputs)
    ]


def test_a_deposit_comes_from_the_world_and_a_withdrawal_goes_back() -> None:
    at = book()
    (entry,) = postings_of(at.funds("alice", "USD", 5 * E8, "first"))
    assert entry == LedgerEntry(
        entry_id=1,
        kind=LedgerKind.DEPOSIT,
        account="alice",
        debit_account="alice",
        credit_account="venue:world",
        currency="USD",
        amount_e8=5 * E8,
        balance_e8=5 * E8,
        ts_us=at.ts_us,
        control_id="first",
    )
    assert moves(at.funds("alice", "USD", -7 * E8)) == [
        (LedgerKind.WITHDRAWAL, "alice", "venue:world", "USD", 7 * E8, -2 * E8)
    ]


def test_what_is_sent_is_under_way_until_it_is_received() -> None:
    at = book()
    sent, received = (
        at.transfer(TransferKind.SENT, "alice", "USD", 7),
        at.transfer(TransferKind.RECEIVED, "bob", "USD", 7),
    )
    assert moves(sent) == [(LedgerKind.TRANSFER, "alice", "venue:transit", "USD", 7, -7)]
    assert moves(received) == [(LedgerKind.TRANSFER, "venue:transit", "bob", "USD", 7, 7)]
    assert [entry.control_id for entry in (*postings_of(sent), *postings_of(received))] == ["move", "move"]
    assert at.transfer(TransferKind.REFUSED, "alice", "USD", 7) == ()
    assert at.transfer(TransferKind.UNKNOWN, "alice", "USD", 7) == ()


def test_a_buyer_gives_quote_gets_base_and_pays_the_fee() -> None:
    at = book()
    at.funds("alice", "USD", 500 * E8)
    outputs = at.fill("alice", Side.BUY, 2 * E8, 100 * E8, fee_e8=E8)
    assert moves(outputs) == [
        (LedgerKind.TRADE, "alice", "venue:clearing", "USD", 200 * E8, 300 * E8),
        (LedgerKind.TRADE, "venue:clearing", "alice", "BTC", 2 * E8, 2 * E8),
        (LedgerKind.FEE, "alice", "venue:fees", "USD", E8, 299 * E8),
    ]
    entries = postings_of(outputs)
    assert [entry.entry_id for entry in entries] == [2, 3, 4]
    assert {(entry.symbol, entry.trade_id, entry.order_id, entry.control_id) for entry in entries} == {
        ("BTC-USD", 1, 70, None)
    }


def test_a_seller_gives_base_gets_quote_and_pays_the_fee() -> None:
    at = book()
    assert moves(at.fill("bob", Side.SELL, 2 * E8, 100 * E8, fee_e8=E8)) == [
        (LedgerKind.TRADE, "bob", "venue:clearing", "BTC", 2 * E8, -2 * E8),
        (LedgerKind.TRADE, "venue:clearing", "bob", "USD", 200 * E8, 200 * E8),
        (LedgerKind.FEE, "bob", "venue:fees", "USD", E8, 199 * E8),
    ]


def test_a_rebate_comes_from_the_venues_fees() -> None:
    at = book()
    assert moves(at.fill("bob", Side.SELL, E8, 100 * E8, fee_e8=-E8))[-1] == (
        LedgerKind.FEE,
        "venue:fees",
        "bob",
        "USD",
        E8,
        101 * E8,
    )


def test_other_decisions_post_nothing() -> None:
    at = book()
    account = Control(ControlKind.KEY, "key", account="alice", key_id="bot")
    assert at.put("control", "control", account) == ()


def test_nothing_is_posted_for_nothing() -> None:
    at = book()
    # One 10^-8 at a price below 1 is worth less than 10^-8.
    assert [move[3] for move in moves(at.fill("alice", Side.BUY, 1, E8 // 2))] == ["BTC"]


@pytest.mark.parametrize("offset", [0, 1])
def test_a_shard_posts_for_its_own_accounts_under_its_own_ids(offset: int) -> None:
    shard = (partition_of("alice", 4) + offset) % 4
    at = Book(shard, 4)
    ids = [entry.entry_id for entry in postings_of(at.funds("alice", "USD", E8))]
    assert ids == ([] if offset else [make_id(shard, 1)])


def test_a_deposit_seen_twice_is_posted_once() -> None:
    at = book()
    assert len(at.funds("alice", "USD", E8, "same")) == 1
    assert at.funds("alice", "USD", E8, "same") == ()
