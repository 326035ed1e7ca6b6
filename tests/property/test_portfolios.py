"""Portfolios: what they say is what a naive model reckons with fractions, and a restored shard goes on."""

import json
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import (
    AccountKind,
    Control,
    ControlKind,
    Frame,
    LedgerEntry,
    LedgerKind,
    Mark,
    Message,
    Position,
    SymbolStatus,
)
from schemas.units import E8
from tests.oracle.market_inputs import START_US, at, tick
from tests.oracle.naive_client import NaiveClient
from tests.oracle.naive_portfolio import NaivePortfolios
from workers.portfolios.core import PortfoliosCore

PAIRS = {"BTC-USD": ("BTC", "USD"), "ETH-USD": ("ETH", "USD"), "ETH-BTC": ("ETH", "BTC"), "BTC-EUR": ("BTC", "EUR")}
ACCOUNTS = ("alice", "bob")

amounts = st.one_of(st.integers(-5 * E8, 5 * E8), st.integers(-(2**63), 2**63 - 1), st.just(0))
names = st.sampled_from(ACCOUNTS)
symbols = st.sampled_from(sorted(PAIRS))


@st.composite
def controls(draw: st.DrawFn, number: int, symbol: str) -> Control:
    base, quote = PAIRS[symbol]
    return Control(
        kind=ControlKind.SYMBOL,
        control_id=f"symbol-{number}",
        symbol=symbol,
        symbol_status=SymbolStatus.TRADING,
        base=base,
        quote=quote,
        tick_e8=1,
        lot_e8=1,
        maintenance_margin_e8=draw(st.one_of(st.none(), st.integers(1, E8 // 3))),
    )


@st.composite
def messages(draw: st.DrawFn) -> list[Message]:
    """Symbols first, for a naive model has no position without; then anything, with ticks between."""
    made: list[Message] = [draw(controls(number, symbol)) for number, symbol in enumerate(PAIRS)]
    for account in ACCOUNTS:
        kind = draw(st.sampled_from([AccountKind.CASH, AccountKind.MARGIN]))
        made.append(
            Control(
                kind=ControlKind.ACCOUNT,
                control_id=account,
                account=account,
                account_kind=kind,
                leverage_e8=E8 if kind is AccountKind.MARGIN else None,
            )
        )
    for number in range(draw(st.integers(1, 25))):
        kind_of = draw(st.sampled_from(["control", "mark", "entry", "entry", "position", "tick", "tick"]))
        if kind_of == "control":
            made.append(draw(controls(100 + number, draw(symbols))))
        elif kind_of == "mark":
            price_e8 = draw(st.one_of(st.integers(1, 10**12), st.integers(1, 2**63 - 1)))
            made.append(Mark(symbol=draw(symbols), price_e8=price_e8, sequence=number, ts_us=START_US))
        elif kind_of == "entry":
            made.append(
                LedgerEntry(
                    entry_id=number,
                    kind=LedgerKind.DEPOSIT,
                    account=draw(names),
                    debit_account="a",
                    credit_account="b",
                    currency=draw(st.sampled_from(["USD", "BTC", "ETH", "EUR"])),
                    amount_e8=1,
                    balance_e8=draw(amounts),
                    ts_us=START_US,
                )
            )
        elif kind_of == "position":
            made.append(
                Position(
                    account=draw(names),
                    symbol=draw(symbols),
                    sequence=number,
                    quantity_e8=draw(amounts),
                    cost_e8=draw(amounts),
                    average_price_e8=0,
                    realised_e8=draw(amounts),
                    unrealised_e8=draw(amounts),
                    fees_e8=draw(amounts),
                    mark_price_e8=0,
                    ts_us=START_US,
                )
            )
        else:
            made.append(tick(number * draw(st.sampled_from([1, 1, 40]))))
    return [*made, tick(2_000)]


def frames(core: PortfoliosCore, given_: Sequence[Message]) -> list[Frame]:
    return [
        output.message for message in given_ for output in core.apply(at(message)) if isinstance(output.message, Frame)
    ]


def e8(text: str) -> int:
    return int(Fraction(text) * E8)  # a Decimal would keep 28 digits


@given(messages())
@settings(max_examples=150, deadline=None)
def test_an_account_is_worth_what_a_naive_model_says(said: list[Message]) -> None:
    core, naive, client = PortfoliosCore(0, 1), NaivePortfolios(), NaiveClient()
    for message in said:
        naive.said.append(message)
        for frame in frames(core, [message]):
            client.receive(frame)
            _compare(naive, frame.channel.partition(":")[2], json.loads(frame.payload))
    # At the end everybody has been told all: the last tick is long after the others.
    for account in ACCOUNTS:
        if naive.balances(account) or naive.positions(account):
            _compare(naive, account, client.portfolios[account])


def _compare(naive: NaivePortfolios, account: str, data: dict[str, object]) -> None:
    held = naive.balances(account)
    assert data["balances"] == [
        {"currency": currency, "balance": told["balance"]}
        for currency, told in sorted((one["currency"], one) for one in data["balances"])  # type: ignore[attr-defined]
    ]
    told_balances = {one["currency"]: e8(one["balance"]) for one in data["balances"]}  # type: ignore[attr-defined]
    assert told_balances == {currency: balance * E8 for currency, balance in held.items()}
    positions = {one["symbol"]: e8(one["quantity"]) for one in data["positions"]}  # type: ignore[attr-defined]
    expected = naive.positions(account)
    assert positions == {name: one.quantity_e8 for name, one in sorted(expected.items()) if one.quantity_e8}
    quotes = set()
    for row in data["margin"]:  # type: ignore[attr-defined]
        quote = row["currency"]
        quotes.add(quote)
        assert tuple(e8(row[name]) for name in ("realised", "unrealised", "fees")) == naive.profit(account, quote)
        worth = naive.worth(account, quote)
        if worth is None:
            assert (row["equity"], row["exposure"], row["maintenance_margin"]) == (None, None, None)
            continue
        assert (e8(row["equity"]), e8(row["exposure"])) == worth[:2]
        if data["kind"] == "margin":
            assert e8(row["maintenance_margin"]) == worth[2]
        else:
            assert row["maintenance_margin"] is None
    touched = {currency for currency, balance in held.items() if balance}
    assert quotes == {quote for base, quote in PAIRS.values() if {base, quote} & touched} | {
        PAIRS[symbol][1] for symbol in expected
    }


@given(messages(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_restored_shard_goes_on_identically(said: list[Message], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(said)))
    core, restored = PortfoliosCore(0, 1), PortfoliosCore(0, 1)
    frames(core, said[:cut])
    restored.load(core.dump(), core.behaviour)
    assert restored.dump() == core.dump()
    assert frames(restored, said[cut:]) == frames(core, said[cut:])
    assert restored.dump() == core.dump()
