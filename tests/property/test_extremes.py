"""The largest and the smallest numbers there are, through all cores: none ends a worker, and no 10^-8 is lost."""

import random
from collections import Counter

import pytest

from schemas.codec import local_codec
from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    ControlKind,
    LedgerEntry,
    OrderType,
    Phase,
    SelfTradePrevention,
    Side,
    SymbolStatus,
)
from schemas.units import E8, INT64_MAX
from tradsys.demo.memory import MemoryVenue
from workers.positions.core import PositionsCore
from workers.risk.core import RiskCore

CODEC = local_codec()
ACCOUNTS = ("a", "b", "c", "d")
VALUES = (1, 2, E8, 10**17, 10**18, INT64_MAX // E8, INT64_MAX // 2, INT64_MAX - 1, INT64_MAX)
KNOWN_TYPES = [each for each in OrderType if each is not OrderType.UNKNOWN]
FRACTIONS = (0, 1, 100_000, E8)


class Extremes:
    """One venue; amounts, prices, fees and limits are from the ends of what can be said."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.venue = MemoryVenue(shards=1, codec=CODEC)
        self.count = 0
        chance = self.chance
        fees = {"maker_fee_e8": chance.choice((*FRACTIONS, -E8)), "taker_fee_e8": chance.choice(FRACTIONS)}
        marks = {"price_band_e8": chance.choice((None, 10**7, INT64_MAX)), "reference_price_e8": chance.choice(VALUES)}
        more = {"breaker_move_e8": E8 - 1, "breaker_window_s": 5, "breaker_halt_s": 1} if not seed % 3 else {}
        pair = {"base": "BTC", "quote": "USD", "tick_e8": 1, "lot_e8": 1, "symbol_status": SymbolStatus.TRADING}
        self.control(ControlKind.SYMBOL, symbol="BTC-USD", **pair, **fees, **marks, **more)
        for account in ACCOUNTS:
            leverage_e8 = chance.choice((None, E8, INT64_MAX))
            kind = AccountKind.CASH if leverage_e8 is None else AccountKind.MARGIN
            fields = {"account_kind": kind, "account_status": AccountStatus.ACTIVE, "leverage_e8": leverage_e8}
            self.control(ControlKind.ACCOUNT, account=account, **fields)
            for currency in ("USD", "BTC"):
                for _ in range(chance.randrange(4)):
                    self.fund(account, currency)

    def control(self, kind: ControlKind, **fields: object) -> None:
        self.count += 1
        self.venue.control(Control(kind, f"control-{self.count}", **fields))  # type: ignore[arg-type]

    def fund(self, account: str, currency: str) -> None:
        amount_e8 = self.chance.choice(VALUES) * self.chance.choice((1, 1, 1, -1))
        self.control(ControlKind.FUNDS, account=account, currency=currency, amount_e8=amount_e8)

    def place(self) -> None:
        chance = self.chance
        order_type = chance.choice(
            [OrderType.LIMIT] * 6 + [each for each in OrderType if each is not OrderType.UNKNOWN]
        )
        value = chance.choice(VALUES)
        fields: dict[str, object] = {"slide": chance.random() < 0.1, "reduce_only": chance.random() < 0.1}
        fields["post_only"] = fields["slide"]
        if order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}:
            fields["price_e8"] = value
        if order_type in {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT}:
            fields["trigger_price_e8"] = chance.choice(VALUES)
        if order_type is OrderType.TRAILING_STOP:
            fields["trail_e8"] = value
        quantity_e8 = chance.choice(VALUES)
        if chance.random() < 0.1:
            fields["display_quantity_e8"] = max(quantity_e8 // 50, 1)
        fields |= {"side": chance.choice((Side.BUY, Side.SELL)), "order_type": order_type, "quantity_e8": quantity_e8}
        fields["self_trade_prevention"] = chance.choice(list(SelfTradePrevention))
        self.send(CommandKind.NEW, client_order_id=f"mine-{self.count}", symbol="BTC-USD", **fields)

    def send(self, kind: CommandKind, **fields: object) -> None:
        self.count += 1
        self.venue.send(Command(kind, self.chance.choice(ACCOUNTS), **fields))  # type: ignore[arg-type]

    def step(self) -> None:
        chance, roll = self.chance, self.chance.random()
        if roll < 0.75:
            self.place()
        elif roll < 0.85:
            changes = {"price_e8": chance.choice((None, *VALUES)), "quantity_e8": chance.choice((None, *VALUES))}
            self.send(CommandKind.AMEND, client_order_id=f"mine-{chance.randrange(self.count + 1)}", **changes)
        elif roll < 0.9:
            self.fund(chance.choice(ACCOUNTS), chance.choice(("USD", "BTC")))
        elif roll < 0.94:
            phase = chance.choice((Phase.AUCTION, Phase.CONTINUOUS))
            self.control(ControlKind.SESSION, symbol="BTC-USD", phase=phase)
        elif roll < 0.97:
            name = chance.choice(("max_daily_volume_e8", "max_leverage_e8", "var_limit_e8", "max_daily_loss_e8"))
            self.control(ControlKind.LIMITS, **{name: chance.choice(VALUES)})
        else:
            self.venue.tick()
        self.venue.pipeline.run()


@pytest.mark.parametrize("seed", range(40))
def test_no_number_ends_a_worker_and_none_is_lost(seed: int) -> None:
    extremes = Extremes(seed)
    shards = extremes.venue.pipeline.shards
    for step in range(60):
        extremes.step()
        if step % 20 == 0:
            for shard in shards:
                shard.snapshot()
                state = shard.shard.core.dump()
                shard.open()
                assert shard.shard.core.dump() == state
    cores = {shard.stage.name: shard.shard.core for shard in shards}
    risk, positions = cores["risk"], cores["positions"]
    assert isinstance(risk, RiskCore)
    assert isinstance(positions, PositionsCore)
    moved: Counter[tuple[str, str]] = Counter()
    for record in extremes.venue.records("ledger"):
        entry = CODEC.decode(record.value or b"", "LedgerEntry")
        assert isinstance(entry, LedgerEntry)
        moved[entry.debit_account, entry.currency] += entry.amount_e8
        moved[entry.credit_account, entry.currency] -= entry.amount_e8
        told = moved[entry.account, entry.currency]
        assert entry.balance_e8 == max(min(told, INT64_MAX), -INT64_MAX - 1)
    for name in ACCOUNTS:
        for currency in ("USD", "BTC"):
            total_e8 = risk._accounts[name].balance(currency).total_e8
            assert total_e8 == moved[name, currency] == positions._ledger.balances.get(name, {}).get(currency, 0)
