"""Commands and their answers: accounts, repeated ids, cancels, what is remembered."""

import msgspec
import pytest

from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    ControlKind,
    Execution,
    ExecutionKind,
    Order,
    OrderKind,
    OrderStatus,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    Tick,
    TimeInForce,
)
from schemas.seal import seal_headers, seal_hmac
from schemas.units import E8, RISK_BIT, make_id, split_id
from stream_topology.sharding import partition_of
from tests.oracle.risk_desk import SECRET, Desk, open_desk
from workers.kernel.stage import Input
from workers.risk.accounts import FINAL_ORDERS_MAX


def desk() -> Desk:
    return open_desk(alice={"USD": 1_000_000 * E8, "BTC": 1000 * E8}, bob={"USD": 1_000_000 * E8})


def test_an_accepted_order_goes_to_the_book_under_the_position_of_its_command() -> None:
    at = desk()
    at.place()
    (output,) = at.send(
        Command(
            CommandKind.NEW,
            "alice",
            client_order_id="mine",
            symbol="BTC-USD",
            side=Side.SELL,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_e8=1001 * E8,
            quantity_e8=2 * E8,
            post_only=True,
            self_trade_prevention=SelfTradePrevention.CANCEL_BOTH,
            sent_us=5,
            correlation_id="trace",
        )
    )
    assert (output.topic, output.key) == ("orders", "BTC-USD")
    assert output.message == Order(
        kind=OrderKind.NEW,
        command_id=1,
        order_id=1,
        account="alice",
        client_order_id="mine",
        symbol="BTC-USD",
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_e8=1001 * E8,
        quantity_e8=2 * E8,
        post_only=True,
        self_trade_prevention=SelfTradePrevention.CANCEL_BOTH,
        command_us=at.ts_us,
        correlation_id="trace",
    )


def test_a_refusal_is_an_execution_to_the_account_with_risks_own_id() -> None:
    shard = partition_of("alice", 4)
    at = Desk(shard, 4)
    at.symbol()
    at.account(funds={"USD": 10 * E8})
    answers = [at.place(client_order_id="mine", correlation_id="trace"), at.place()]
    first, second = answers
    assert isinstance(first, Execution)
    assert isinstance(second, Execution)
    assert first == Execution(
        kind=ExecutionKind.REJECTED,
        execution_id=make_id(shard, RISK_BIT | 1),
        command_id=make_id(shard, 0),
        order_id=make_id(shard, 0),
        account="alice",
        client_order_id="mine",
        symbol="BTC-USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.UNKNOWN,
        price_e8=1000 * E8,
        quantity_e8=E8,
        status=OrderStatus.REJECTED,
        leaves_e8=0,
        cumulative_e8=0,
        cumulative_notional_e8=0,
        reason=Reason.FUNDS_INSUFFICIENT,
        limit_e8=10 * E8,
        actual_e8=1002 * E8,
        command_us=first.command_us,
        ts_us=first.command_us,
        correlation_id="trace",
    )
    assert split_id(second.execution_id) == (shard, RISK_BIT | 2)


ORDER_COMMAND = Command(
    CommandKind.NEW,
    "alice",
    symbol="BTC-USD",
    side=Side.SELL,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    price_e8=1001 * E8,
    quantity_e8=2 * E8,
    client_order_id="mine",
)


@pytest.mark.parametrize(
    ("field", "header", "expected"),
    [
        (None, b"from-a-bot", "from-a-bot"),
        ("sealed", b"from-a-bot", "sealed"),
        ("no\0spaces", b"from-a-bot", "from-a-bot"),
        ("x\ny", None, None),
        (None, b"no spaces", None),
        (None, b"x" * 65, None),
        (None, b"\xff", None),
        (None, None, None),
    ],
)
def test_a_correlation_id_may_be_a_header_too(field: str | None, header: bytes | None, expected: str | None) -> None:
    at = desk()
    command = msgspec.structs.replace(ORDER_COMMAND, correlation_id=field)
    headers = seal_headers("gateway-1", seal_hmac(SECRET, msgspec.json.encode(command)))
    named = () if header is None else (("correlation_id", header),)
    (order,) = at.send(command, (*headers, *named))
    assert isinstance(order.message, Order)
    assert order.message.correlation_id == expected
    (refused,) = at.send(command, named)
    assert isinstance(refused.message, Execution)
    assert (refused.message.reason, refused.message.correlation_id) == (Reason.SEAL_MISSING, expected)


def test_a_kind_that_this_release_does_not_know_is_refused() -> None:
    (output,) = desk().send(Command(CommandKind.UNKNOWN, "alice"))
    assert isinstance(output.message, Execution)
    assert (output.message.kind, output.message.reason) == (ExecutionKind.REJECTED, Reason.KIND_UNKNOWN)


def test_an_account_may_trade_only_once_the_operator_made_it() -> None:
    at = desk()
    at.funds("carol", "USD", 5000 * E8)
    assert at.refused("nobody") == (Reason.ACCOUNT_UNKNOWN, None, None)
    assert at.refused("carol") == (Reason.ACCOUNT_UNKNOWN, None, None)
    cancel = at.cancel("nobody", order_id=7)
    assert isinstance(cancel, Execution)
    assert (cancel.kind, cancel.reason) == (ExecutionKind.CANCEL_REJECTED, Reason.ACCOUNT_UNKNOWN)
    at.account("carol")
    assert isinstance(at.place("carol"), Order)


def test_a_suspended_account_may_only_cancel() -> None:
    at = desk()
    order = at.placed()
    at.account(account_status=AccountStatus.SUSPENDED)
    assert at.refused() == (Reason.ACCOUNT_SUSPENDED, None, None)
    assert isinstance(at.cancel(order_id=order.order_id), Order)
    at.account(account_kind=AccountKind.UNKNOWN)
    assert at.refused() == (Reason.ACCOUNT_SUSPENDED, None, None)


def test_open_orders_are_limited_and_ended_ones_make_room() -> None:
    at = desk()
    at.account(open_orders_max=2)
    first, _ = at.placed(), at.placed()
    assert at.refused() == (Reason.OPEN_ORDERS_LIMIT, 2 * E8, 3 * E8)
    at.ended(first)
    assert isinstance(at.place(), Order)
    assert at.refused() == (Reason.OPEN_ORDERS_LIMIT, 2 * E8, 3 * E8)


# The same client_order_id again


def status(answer: object) -> tuple[OrderStatus, Reason, int, int]:
    assert isinstance(answer, Execution)
    assert answer.kind is ExecutionKind.STATUS
    return answer.status, answer.reason, answer.leaves_e8, answer.cumulative_e8


def test_a_repeated_command_is_answered_with_the_state_of_the_first() -> None:
    at = desk()
    order = at.placed(client_order_id="mine", sent_us=1)
    at.executed(order, ExecutionKind.NEW, OrderStatus.NEW, leaves_e8=E8)
    assert status(at.place(client_order_id="mine", sent_us=2)) == (OrderStatus.NEW, Reason.REPEATED_COMMAND, E8, 0)
    at.filled(order, E8 // 4, 1000 * E8)
    again = at.place(client_order_id="mine", time_in_force=TimeInForce.GTC, correlation_id="retry")
    assert status(again) == (OrderStatus.PARTIALLY_FILLED, Reason.REPEATED_COMMAND, 3 * E8 // 4, E8 // 4)
    assert isinstance(again, Execution)
    assert (again.order_id, again.command_us, again.correlation_id) == (order.order_id, order.command_us, "retry")
    assert again.command_id == at.offsets["commands"] - 1
    assert again.cumulative_notional_e8 == 250 * E8
    at.ended(order, cumulative_e8=E8 // 4, reason=Reason.CANCELLED_BY_CLIENT)
    ended = status(at.place(client_order_id="mine"))
    assert ended == (OrderStatus.CANCELLED, Reason.CANCELLED_BY_CLIENT, 0, E8 // 4)


def test_a_repeated_command_before_the_book_answered_is_pending() -> None:
    at = desk()
    at.place(client_order_id="mine")
    assert status(at.place(client_order_id="mine")) == (OrderStatus.PENDING, Reason.REPEATED_COMMAND, E8, 0)
    assert at.balance("alice", "USD")[1] == 1002 * E8


def test_a_repeated_refused_command_is_refused_with_the_same_numbers_even_if_it_would_pass_now() -> None:
    at = open_desk(alice={"USD": 1})
    assert at.refused(client_order_id="mine")[0] is Reason.FUNDS_INSUFFICIENT
    at.funds("alice", "USD", 5000 * E8)
    again = at.place(client_order_id="mine")
    assert status(again) == (OrderStatus.REJECTED, Reason.FUNDS_INSUFFICIENT, 0, 0)
    assert isinstance(again, Execution)
    assert (again.limit_e8, again.actual_e8) == (1, 1002 * E8)


@pytest.mark.parametrize(
    "other",
    [
        {"symbol": "ETH-USD"},
        {"side": Side.SELL},
        {"order_type": OrderType.MARKET, "price_e8": None},
        {"time_in_force": TimeInForce.IOC},
        {"price_e8": 1001 * E8},
        {"quantity_e8": 2 * E8},
        {"post_only": True},
        {"self_trade_prevention": SelfTradePrevention.NONE},
    ],
)
def test_another_order_under_a_used_id_is_refused_and_changes_nothing(other: dict[str, object]) -> None:
    at = desk()
    order = at.placed(client_order_id="mine")
    before = at.balance("alice", "USD")
    assert at.refused(client_order_id="mine", **other) == (Reason.CLIENT_ORDER_ID_REUSED, None, None)
    assert at.balance("alice", "USD") == before
    assert status(at.place(client_order_id="mine"))[0] is OrderStatus.PENDING
    at.ended(order)


def test_a_command_that_was_not_authorised_does_not_use_up_its_id() -> None:
    at = desk()
    at.send(Command(CommandKind.NEW, "alice", client_order_id="mine"), ())
    assert isinstance(at.place(client_order_id="mine"), Order)
    assert isinstance(at.place("bob", client_order_id="mine"), Order)


def test_ids_of_the_newest_final_orders_are_remembered_and_open_ones_always() -> None:
    at = desk()
    resting = at.placed(client_order_id="resting", quantity_e8=E8 // 50)
    first = at.placed(client_order_id="first")
    at.ended(first)
    for number in range(FINAL_ORDERS_MAX - 1):
        at.refused(client_order_id=f"bad-{number}", quantity_e8=0)
    assert status(at.place(client_order_id="first"))[0] is OrderStatus.CANCELLED
    at.refused(client_order_id="one-more", quantity_e8=0)
    assert isinstance(at.place(client_order_id="first"), Order)
    assert status(at.place(client_order_id="resting", quantity_e8=E8 // 50))[0] is OrderStatus.PENDING
    unknown = at.cancel(order_id=first.order_id)
    assert isinstance(unknown, Execution)
    assert unknown.reason is Reason.ORDER_UNKNOWN
    assert isinstance(at.cancel(order_id=resting.order_id), Order)


# Cancels


def test_a_cancel_names_its_order_by_either_id_and_may_be_sent_again() -> None:
    at = desk()
    order = at.placed(client_order_id="mine")
    for fields in ({"order_id": order.order_id}, {"client_order_id": "mine"}, {"order_id": order.order_id}):
        cancel = at.cancel(**fields, correlation_id="bye")
        assert isinstance(cancel, Order)
        assert (cancel.kind, cancel.order_id) == (OrderKind.CANCEL, order.order_id)
        assert cancel.command_id == at.offsets["commands"] - 1
        assert (cancel.account, cancel.client_order_id, cancel.symbol) == ("alice", "mine", "BTC-USD")
        assert (cancel.command_us, cancel.correlation_id) == (at.ts_us, "bye")
    assert at.balance("alice", "USD")[1] == 1002 * E8


def test_another_accounts_order_is_as_unknown_as_one_that_never_was() -> None:
    at = desk()
    order = at.placed(client_order_id="mine")
    foreign = at.cancel("bob", order_id=order.order_id)
    by_name = at.cancel("bob", client_order_id="mine")
    never = at.cancel("bob", order_id=999_999)
    for answer in (foreign, by_name, never):
        assert isinstance(answer, Execution)
        assert (answer.kind, answer.status) == (ExecutionKind.CANCEL_REJECTED, OrderStatus.UNKNOWN)
        assert answer.reason is Reason.ORDER_UNKNOWN
        assert (answer.symbol, answer.side, answer.quantity_e8, answer.leaves_e8) == ("", Side.UNKNOWN, 0, 0)
        assert answer.command_us == answer.ts_us
    assert isinstance(foreign, Execution)
    assert isinstance(never, Execution)
    assert (foreign.order_id, foreign.client_order_id) == (order.order_id, "")
    assert never.order_id == 999_999


def test_an_own_final_order_cannot_be_cancelled() -> None:
    at = desk()
    order = at.placed()
    at.filled(order, E8, 1000 * E8)
    answer = at.cancel(order_id=order.order_id)
    assert isinstance(answer, Execution)
    assert (answer.kind, answer.reason) == (ExecutionKind.CANCEL_REJECTED, Reason.ORDER_FINAL)
    assert (answer.status, answer.cumulative_e8, answer.side) == (OrderStatus.FILLED, E8, Side.BUY)
    assert answer.command_id == at.offsets["commands"] - 1


def test_a_cancel_must_name_an_order() -> None:
    answer = desk().cancel()
    assert isinstance(answer, Execution)
    assert (answer.kind, answer.reason, answer.order_id) == (ExecutionKind.CANCEL_REJECTED, Reason.MALFORMED, 0)


# Shards and topics


def test_a_shard_keeps_only_its_own_accounts() -> None:
    shards = 4
    mine, other = partition_of("alice", shards), (partition_of("alice", shards) + 1) % shards
    for shard, kept in ((mine, ["alice"]), (other, [])):
        at = Desk(shard, shards)
        at.account(funds={"USD": E8})
        at.control(ControlKind.KEY, account="alice", key_id="bot", public_key=bytes(32))
        assert list(at.core._accounts) == kept


@pytest.mark.parametrize("topic", ["control", "marks", "executions", "commands"])
def test_a_record_of_another_type_ends_the_process(topic: str) -> None:
    with pytest.raises(TypeError, match=f"{topic} carries .* records, not Tick"):
        Desk().core.apply(Input(topic, 0, 0, 0, "k", Tick(1, 1), b""))


def test_a_repetition_is_one_although_the_accounts_default_has_changed() -> None:
    at = desk()
    order = at.placed(client_order_id="mine")
    at.account("alice", self_trade_prevention=SelfTradePrevention.CANCEL_OLDEST)
    again = at.place(client_order_id="mine")
    assert isinstance(again, Execution)
    assert (again.kind, again.order_id) == (ExecutionKind.STATUS, order.order_id)
    assert at.placed().self_trade_prevention is SelfTradePrevention.CANCEL_OLDEST
