"""Records a venue's whole log as a fixture: `python -m tests.recorded.make FILE`.

A release that changes what the venue does must still read the logs of the releases before it. A fixture is made once,
by the release whose name it bears, and never again.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schemas.generate import load_schemas
from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    ControlKind,
    OrderType,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    TimeInForce,
)
from schemas.units import E8
from stream_topology.stages import STAGES
from stream_topology.topics import journal
from tests.recorded.recording import RECORDED_IDS, Recording, recording_codec
from tradsys.demo.memory import SEAL_KEY, TICK_US, MemoryVenue

SEED: Final = 3
SHARDS: Final = 2
SECRET: Final = bytes(range(32))
STEPS: Final = 1_200
STEPS_A_TICK: Final = 3
SYMBOLS: Final = {"BTC-USD": 1_000, "ETH-USD": 50}
ACCOUNTS: Final = tuple(f"account-{number}" for number in range(8))


class Traffic:
    """What clients and the operator do, decided by a seed: all that this release offers, and what it refuses."""

    def __init__(self) -> None:
        self.chance = random.Random(SEED)
        self.placed: list[tuple[str, str]] = []
        self.controls = 0

    def opening(self) -> Iterator[Control]:
        """Symbols, accounts of both kinds, funds."""
        for symbol in SYMBOLS:
            yield self.symbol(symbol, SymbolStatus.TRADING)
        for number, account in enumerate(ACCOUNTS):
            margin = number % 4 == 0
            yield self.control(
                ControlKind.ACCOUNT,
                account=account,
                account_kind=AccountKind.MARGIN if margin else AccountKind.CASH,
                account_status=AccountStatus.ACTIVE,
                leverage_e8=3 * E8 if margin else None,
                open_orders_max=60,
            )
            for currency, units in (("USD", 50_000), ("BTC", 50), ("ETH", 800)):
                yield self.control(ControlKind.FUNDS, account=account, currency=currency, amount_e8=units * E8)

    def control(self, kind: ControlKind, **fields: object) -> Control:
        """A decision with an id of its own."""
        self.controls += 1
        return Control(kind=kind, control_id=f"control-{self.controls}", **fields)  # type: ignore[arg-type]

    def symbol(self, symbol: str, status: SymbolStatus, taker_fee_e8: int = E8 // 1_000) -> Control:
        """An instrument."""
        base, _, quote = symbol.partition("-")
        return self.control(
            ControlKind.SYMBOL,
            symbol=symbol,
            symbol_status=status,
            base=base,
            quote=quote,
            tick_e8=E8 // 100,
            lot_e8=E8 // 1_000,
            quantity_min_e8=E8 // 1_000,
            quantity_max_e8=20 * E8,
            notional_min_e8=E8,
            notional_max_e8=20_000 * E8,
            price_band_e8=E8 // 10,
            reference_price_e8=SYMBOLS[symbol] * E8,
            maker_fee_e8=E8 // 2_000,
            taker_fee_e8=taker_fee_e8,
        )

    def decision(self) -> Control:
        """Something that the operator changes while the venue runs."""
        chance, symbol, account = self.chance, self.chance.choice(tuple(SYMBOLS)), self.chance.choice(ACCOUNTS)
        match chance.randrange(4):
            case 0:
                halted = chance.random() < 0.2
                return self.symbol(symbol, SymbolStatus.HALTED if halted else SymbolStatus.TRADING)
            case 1:
                return self.symbol(symbol, SymbolStatus.TRADING, taker_fee_e8=chance.randrange(E8 // 200))
            case 2:
                amount_e8 = chance.randrange(-500 * E8, 1_000 * E8)
                return self.control(ControlKind.FUNDS, account=account, currency="USD", amount_e8=amount_e8)
            case _:
                margin = account in ACCOUNTS[::4]
                return self.control(
                    ControlKind.ACCOUNT,
                    account=account,
                    account_kind=AccountKind.MARGIN if margin else AccountKind.CASH,
                    account_status=AccountStatus.SUSPENDED if chance.random() < 0.1 else AccountStatus.ACTIVE,
                    leverage_e8=chance.randrange(E8, 5 * E8) if margin else None,
                    open_orders_max=chance.choice((40, 60, 80)),
                )

    def command(self, number: int) -> Command:
        """An order, a cancel, one of them sent twice, or one that is refused."""
        chance = self.chance
        if self.placed and chance.random() < 0.3:
            account, client_order_id = chance.choice(self.placed)
            return Command(kind=CommandKind.CANCEL, account=account, client_order_id=client_order_id)
        account, symbol = chance.choice(ACCOUNTS), chance.choice(tuple(SYMBOLS))
        side = chance.choice((Side.BUY, Side.SELL))
        market = chance.random() < 0.1
        mid, ticks = SYMBOLS[symbol] * 100, int(chance.gauss(-30, 60))
        price_e8 = (mid + (ticks if side is Side.BUY else -ticks)) * E8 // 100
        command = Command(
            kind=CommandKind.NEW,
            account="stranger" if chance.random() < 0.005 else account,
            client_order_id=self.placed[-1][1] if self.placed and chance.random() < 0.02 else f"order-{number}",
            symbol="DOGE-USD" if chance.random() < 0.01 else symbol,
            side=side,
            order_type=OrderType.MARKET if market else OrderType.LIMIT,
            time_in_force=None
            if market
            else chance.choice(
                (None, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
            ),
            price_e8=None if market else price_e8 + (1 if chance.random() < 0.01 else 0),
            quantity_e8=chance.randrange(0, 3_000) * E8 // 1_000,
            post_only=not market and chance.random() < 0.1,
            self_trade_prevention=chance.choice(
                (
                    None,
                    SelfTradePrevention.CANCEL_NEWEST,
                    SelfTradePrevention.CANCEL_OLDEST,
                    SelfTradePrevention.CANCEL_BOTH,
                    SelfTradePrevention.NONE,
                )
            ),
            correlation_id=f"request-{number}" if chance.random() < 0.2 else None,
        )
        self.placed.append((account, command.client_order_id or ""))
        return command


def record() -> Recording:
    """Trade, and keep the log."""
    codec = recording_codec()
    venue, traffic = MemoryVenue(shards=SHARDS, codec=codec, secret=SECRET), Traffic()
    log, shards, chance = venue.pipeline.log, venue.pipeline.shards, traffic.chance
    for control in traffic.opening():
        venue.control(control)
    venue.pipeline.run()
    for number in range(STEPS):
        log.now_us += chance.randrange(TICK_US // 10)
        if chance.random() < 0.02:
            venue.control(traffic.decision())
        venue.send(traffic.command(number))
        if number % STEPS_A_TICK == 0:
            venue.tick()
        if chance.random() < 0.01:
            log.append("commands", chance.randrange(SHARDS), b"account-1", chance.randbytes(20))
        for _ in range(chance.randrange(10)):
            chance.choice(shards).step(lambda _: chance.choice((1, 3, 50)))
    for _ in range(3):
        venue.tick()
        venue.pipeline.run()
    assert venue.reconcile().agrees
    stages = [stage for stage in STAGES.values() if stage.journaled]
    topics = sorted({t for stage in stages for t in (*stage.inputs, *stage.outputs, journal(stage.name).name)})
    return Recording(
        shards=SHARDS,
        seal_secrets={SEAL_KEY: SECRET},
        schemas={RECORDED_IDS[name]: json.dumps(schema) for name, schema in load_schemas().items()},
        behaviours={shard.stage.name: shard.shard.core.behaviour for shard in shards},
        records=[
            record
            for topic in (*topics, "dead_letters")
            for shard in range(SHARDS)
            for record in log.read(topic, shard)
        ],
    )


if __name__ == "__main__":
    record().write(Path(sys.argv[1]))
