"""A margin account is liquidated on the whole venue, and its books balance whatever is left of the account."""

from collections import Counter
from itertools import count

import pytest

from schemas.messages import (
    AccountKind,
    AccountState,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    GroupKind,
    LedgerEntry,
    Order,
    OrderKind,
    OrderType,
    Reason,
    Side,
    SymbolStatus,
)
from schemas.units import E8
from stream_topology.sharding import partition_of
from tradsys.audit import contents as audited
from tradsys.audit.contents import Contents
from tradsys.demo.memory import TICK_US, MemoryVenue
from workers.kernel.memory import MemoryShard

SHARDS = 2
FEE_E8 = E8 // 1000
TRADER, MAKER, OTHER = "desk-4", "desk-1", "desk-2"


class Market:
    """Somebody who makes the market, and an account that buys 4 BTC for 4,000 USD with 1,000 of its own."""

    def __init__(self) -> None:
        self.venue = MemoryVenue(shards=SHARDS)
        self.numbers = count()
        self.control(
            ControlKind.SYMBOL,
            symbol="BTC-USD",
            symbol_status=SymbolStatus.TRADING,
            base="BTC",
            quote="USD",
            tick_e8=E8 // 100,
            lot_e8=E8 // 1000,
            price_band_e8=E8 // 2,
            reference_price_e8=1000 * E8,
            maker_fee_e8=0,
            taker_fee_e8=FEE_E8,
            maintenance_margin_e8=E8 // 10,
        )
        for account, kind, leverage_e8, funds in (
            (MAKER, AccountKind.CASH, None, {"USD": 100_000, "BTC": 100}),
            (OTHER, AccountKind.CASH, None, {"BTC": 1}),
            (TRADER, AccountKind.MARGIN, 5 * E8, {"USD": 1_000}),
        ):
            fields = {"account": account, "account_kind": kind, "leverage_e8": leverage_e8}
            self.control(ControlKind.ACCOUNT, **fields, account_status=AccountStatus.ACTIVE)
            for currency, amount in funds.items():
                self.control(ControlKind.FUNDS, account=account, currency=currency, amount_e8=amount * E8)
        self.place(MAKER, Side.SELL, 4, 1000)
        self.place(TRADER, Side.BUY, 4, 1000)

    def control(self, kind: ControlKind, **fields: object) -> None:
        self.venue.control(Control(kind, f"decision-{next(self.numbers)}", **fields))  # type: ignore[arg-type]
        self.venue.pipeline.run()

    def place(self, account: str, side: Side, quantity: int, price: int, **more: object) -> str:
        client_order_id = f"order-{next(self.numbers)}"
        terms = {"order_type": OrderType.LIMIT, "price_e8": price * E8, "quantity_e8": quantity * E8} | more
        self.send(account, CommandKind.NEW, client_order_id, symbol="BTC-USD", side=side, **terms)
        return client_order_id

    def send(self, account: str, kind: CommandKind, client_order_id: str, **fields: object) -> None:
        self.venue.send(Command(kind, account, client_order_id=client_order_id, **fields))  # type: ignore[arg-type]
        self.venue.pipeline.run()

    def ticks(self, seconds: int) -> None:
        for _ in range(seconds):
            self.venue.pipeline.log.now_us += TICK_US
            self.venue.tick()
            self.venue.pipeline.run()

    def contents(self) -> Contents:
        """Everything that was written; the audit finds nothing wrong with it."""
        result = self.venue.reconcile()
        assert result.agrees, [found for rule in result.results for found in rule.findings][:5]
        return Contents.read(self.venue.records, self.venue.codec)


def balances(contents: Contents) -> dict[str, int]:
    """What the trader has, from the ledger; all accounts together have nothing."""
    held: Counter[tuple[str, str]] = Counter()
    for entry in contents.of("ledger", LedgerEntry):
        held[entry.debit_account, entry.currency] += entry.amount_e8
        held[entry.credit_account, entry.currency] -= entry.amount_e8
        assert not sum(held.values())
    return {currency: held[TRADER, currency] for currency in ("BTC", "USD")}


def states(contents: Contents) -> list[tuple[AccountStatus, Reason]]:
    records = contents.of("accounts", AccountState)
    found = [(state.status, state.reason) for state in records if state.account == TRADER]
    return [state for number, state in enumerate(found) if number == 0 or state != found[number - 1]]


def fills(contents: Contents) -> list[Execution]:
    """Of liquidations."""
    return [e for e in contents.executions() if e.kind is ExecutionKind.TRADE and e.order_type is OrderType.LIQUIDATION]


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> Market:
    monkeypatch.setattr(audited, "AUDITED", (*audited.AUDITED, "accounts"))
    assert {partition_of(TRADER, SHARDS), partition_of(MAKER, SHARDS)} == {0, 1}
    return Market()


ACTIVE = (AccountStatus.ACTIVE, Reason.NONE)
SUSPENDED = (AccountStatus.SUSPENDED, Reason.LIQUIDATION)
CALLED = (AccountStatus.REDUCING, Reason.MARGIN_CALL)


def test_it_is_reduced_until_its_margin_is_maintained(market: Market) -> None:
    resting = market.place(TRADER, Side.SELL, 1, 1400)
    market.place(MAKER, Side.BUY, 50, 780)
    market.place(MAKER, Side.SELL, 1, 782)
    market.ticks(15)
    contents = market.contents()
    assert states(contents)[-2:] == [SUSPENDED, ACTIVE]
    sold = fills(contents)
    assert [fill.last_quantity_e8 for fill in sold] == [E8, 3 * E8 // 4, 562 * E8 // 1000, 422 * E8 // 1000]
    fees_e8 = sum(fill.fee_e8 or 0 for fill in sold)
    assert fees_e8 == sum((fill.last_notional_e8 or 0) // 1000 for fill in sold)
    left_e8 = 4 * E8 - sum(fill.last_quantity_e8 or 0 for fill in sold)
    usd_e8 = -3_004 * E8 + 780 * (4 * E8 - left_e8) - fees_e8
    assert balances(contents) == {"BTC": left_e8, "USD": usd_e8}
    assert usd_e8 + left_e8 * 781 >= left_e8 * 781 // 10
    (ended,) = [e for e in contents.executions() if e.client_order_id == resting and e.kind is ExecutionKind.CANCELLED]
    assert ended.reason is Reason.LIQUIDATION


def test_a_loss_beyond_its_funds_stays_on_the_account(market: Market) -> None:
    market.place(MAKER, Side.BUY, 50, 700)
    market.place(MAKER, Side.SELL, 1, 702)
    market.ticks(60)
    contents = market.contents()
    held = balances(contents)
    assert (held["BTC"], held["USD"] < -200 * E8) == (0, True)
    assert states(contents)[-2:] == [SUSPENDED, CALLED]
    market.ticks(3)
    assert len(fills(market.contents())) == len(fills(contents))


def test_without_bids_it_waits_for_them(market: Market) -> None:
    bid = market.place(MAKER, Side.BUY, 50, 780)
    market.place(OTHER, Side.SELL, 1, 780)
    market.send(MAKER, CommandKind.CANCEL, bid)
    market.ticks(5)
    contents = market.contents()
    tried = [e for e in contents.executions() if e.order_type is OrderType.LIQUIDATION]
    assert {e.reason for e in tried if e.kind is ExecutionKind.EXPIRED} == {Reason.NO_LIQUIDITY}
    assert states(contents)[-1] == SUSPENDED
    market.place(MAKER, Side.BUY, 50, 780)
    market.ticks(15)
    assert states(market.contents())[-1] == ACTIVE


def test_a_pair_leaves_whole_and_keeps_it_waiting_for_nothing(market: Market) -> None:
    """Both of its orders are removed: the first removal ends both, and the second one finds nothing."""
    oco = {"group": GroupKind.OCO, "trigger_price_e8": 600 * E8}
    pair = market.place(TRADER, Side.SELL, 1, 1400, **oco)
    market.place(MAKER, Side.BUY, 50, 780)
    market.place(MAKER, Side.SELL, 1, 782)
    market.ticks(15)
    contents = market.contents()
    assert states(contents)[-2:] == [SUSPENDED, ACTIVE]
    assert [fill.last_quantity_e8 for fill in fills(contents)][:2] == [E8, 3 * E8 // 4]
    removals = [o.client_order_id for o in contents.of("orders", Order) if o.kind is OrderKind.REMOVE]
    assert removals == [pair, f"{pair}:stop"]
    ends = [e for e in contents.executions() if e.group_id is not None and e.kind is not ExecutionKind.NEW]
    assert [(e.client_order_id, e.kind, e.reason) for e in ends] == [
        (pair, ExecutionKind.CANCELLED, Reason.LIQUIDATION),
        (f"{pair}:stop", ExecutionKind.CANCELLED, Reason.ONE_CANCELS_OTHER),
    ]


def test_crashes_change_nothing(market: Market) -> None:
    """Each shard is opened anew from its snapshot and its journal between any two ticks."""
    market.place(MAKER, Side.BUY, 50, 780)
    market.place(MAKER, Side.SELL, 1, 782)
    for number in range(15):
        market.ticks(1)
        for shard in market.venue.pipeline.shards:
            reopen(shard, snapshot=number % 3 == 0)
    contents = market.contents()
    assert [fill.last_quantity_e8 for fill in fills(contents)][:2] == [E8, 3 * E8 // 4]
    placed = [o.order_id for o in contents.of("orders", Order) if o.order_type is OrderType.LIQUIDATION]
    assert len(placed) == len(set(placed)) == len(fills(contents))
    assert all(o.kind is OrderKind.NEW for o in contents.of("orders", Order) if o.order_id in placed)


def reopen(shard: MemoryShard, *, snapshot: bool) -> None:
    if snapshot:
        shard.snapshot()
    shard.open()
