"""Risk, matching and positions on one in-memory log, driven step by step, with a witness of all that they write.

Each core has a twin that was loaded from its dump and is given the same inputs: both must say the same.
"""

from collections.abc import Sequence
from typing import Any

from schemas.codec import local_codec
from schemas.groups import PROFIT_SUFFIX, STOP_SUFFIX
from schemas.messages import (
    AccountKind,
    AccountStatus,
    Command,
    CommandKind,
    Control,
    ControlKind,
    Execution,
    ExecutionKind,
    Mark,
    Message,
    Order,
    Reason,
    Side,
    SymbolStatus,
    Tick,
)
from schemas.seal import seal_headers, seal_hmac
from stream_topology.stages import STAGES
from tests.oracle.risk_desk import SECRET, SECRETS
from tests.oracle.witness import PRICED, Witness
from workers.kernel.memory import MemoryPipeline, MemoryShard
from workers.kernel.stage import Core, CoreFactory, Input, Output
from workers.matching.core import MatchingCore
from workers.positions.core import PositionsCore
from workers.risk.core import RiskCore

UNIT = 10**8
CODEC = local_codec()
START_US = 1_700_000_000_000_000
STAGE_NAMES = ("risk", "matching", "positions")
WITNESSED = {"orders": "Order", "executions": "Execution", "trades": "Trade", "book": "BookChange"}
WITNESSED |= {"transfers": "Transfer", "ledger": "LedgerEntry"}
SYMBOLS = {"BTC-USD": ("BTC", "USD"), "ETH-USD": ("ETH", "USD"), "BTC-EUR": ("BTC", "EUR")}
ACCOUNTS = {"alice": None, "bob": None, "mary": 3, "max": 10}
"""And the leverage; None of a cash account."""

FUNDS = {"USD": 5_000, "EUR": 5_000, "BTC": 10, "ETH": 100}
CURRENCIES = tuple(FUNDS)


def make_risk(shard: int, shards: int) -> Core:
    return RiskCore(shard, shards, seal_secrets=SECRETS)


CORES: dict[str, CoreFactory] = {"risk": make_risk, "matching": MatchingCore, "positions": PositionsCore}


class Twins:
    """A core and one that was loaded from its dump."""

    def __init__(self, make: CoreFactory, shard: int, shards: int) -> None:
        self.make, self.numbers = make, (shard, shards)
        self.core = make(shard, shards)
        self.behaviour = self.core.behaviour
        self.twin: Core | None = None

    def apply(self, record: Input) -> Sequence[Output]:
        outputs = list(self.core.apply(record))
        if self.twin is not None:
            again = list(self.twin.apply(record))
            assert again == outputs, f"{record} gives {outputs}, after a restart {again}"
        return outputs

    def split(self) -> None:
        """The twin begins anew from the state of now."""
        state = self.core.dump()
        assert self.twin is None or self.twin.dump() == state
        self.twin = self.make(*self.numbers)
        self.twin.load(state, self.behaviour)
        assert self.twin.dump() == state

    def dump(self) -> bytes:
        return self.core.dump()

    def load(self, state: bytes, behaviour: int) -> None:
        self.core.load(state, behaviour)


class WholeVenue:
    """Starts with three symbols around 100 and four accounts that have some of everything."""

    def __init__(self, witness: Witness | None = None) -> None:
        stages = [STAGES[name] for name in STAGE_NAMES]
        self.cores = {name: Twins(CORES[name], 0, 1) for name in STAGE_NAMES}
        factories: dict[str, CoreFactory] = {name: self._factory(name) for name in STAGE_NAMES}
        self.pipeline = MemoryPipeline.create(stages, factories, 1, CODEC)
        self.log = self.pipeline.log
        self.log.now_us = START_US
        self.witness = Witness() if witness is None else witness
        self.witness.pairs = dict(SYMBOLS)
        self.leverage = dict(ACCOUNTS)
        self.placed: list[tuple[str, str, str]] = []
        """Account, client_order_id and symbol of what was sent, the newest last."""
        self._read = dict.fromkeys(WITNESSED, 0)
        self._count = 0
        self.rules: dict[str, dict[str, Any]] = {}
        for account in ACCOUNTS:
            self.account(account)
            for currency, amount in FUNDS.items():
                self.funds(account, currency, amount * UNIT)
        for symbol in SYMBOLS:
            self.symbol(symbol, maker_fee_e8=0, taker_fee_e8=100_000)
            self.mark(symbol, 100 * UNIT)
        self.settle()

    # What is written

    def command(self, kind: CommandKind, account: str, **fields: Any) -> int:
        """Its order_id, were it a new order."""
        command = Command(kind, account, **fields)
        value = CODEC.encode(command)
        headers = seal_headers("gateway-1", seal_hmac(SECRET, value))
        order_id = self.log.append("commands", 0, account.encode(), value, headers)
        if kind is CommandKind.NEW:
            self.placed.append((account, fields["client_order_id"], fields["symbol"]))
        return order_id

    def next_client_id(self) -> str:
        self._count += 1
        return f"id-{self._count}"

    def control(self, kind: ControlKind, **fields: Any) -> None:
        self._count += 1
        self._append("control", Control(kind, f"control-{self._count}", **fields))

    def symbol(self, symbol: str, **changes: Any) -> None:
        """Other rules from now on. Fees change only while nothing is under way."""
        base, quote = SYMBOLS[symbol]
        start = {
            "symbol_status": SymbolStatus.TRADING,
            "tick_e8": UNIT,
            "lot_e8": UNIT // 10,
            "price_band_e8": UNIT // 2,
            "reference_price_e8": 100 * UNIT,
        }
        fields = self.rules[symbol] = self.rules.get(symbol, start) | changes
        rate = max(fields["maker_fee_e8"], fields["taker_fee_e8"])
        if self.witness.rates.get(symbol) != rate:
            if symbol in self.witness.rates:
                self.settle()
            self.witness.rates[symbol] = rate
        self.control(ControlKind.SYMBOL, symbol=symbol, base=base, quote=quote, **fields)
        self.rules[symbol] = {name: value for name, value in fields.items() if name != "cancel_open"}
        if "maker_fee_e8" in changes:
            self.settle()

    def account(self, account: str, status: AccountStatus = AccountStatus.ACTIVE, **fields: Any) -> None:
        leverage = self.leverage[account]
        kind = AccountKind.CASH if leverage is None else AccountKind.MARGIN
        given = {"leverage_e8": None if leverage is None else leverage * UNIT, **fields}
        self.control(ControlKind.ACCOUNT, account=account, account_kind=kind, account_status=status, **given)

    def funds(self, account: str, currency: str, amount_e8: int) -> None:
        self.witness.paid.add((account, currency))
        self.witness.held[account, currency] += amount_e8
        self.control(ControlKind.FUNDS, account=account, currency=currency, amount_e8=amount_e8)

    def transfer(self, account: str, to_account: str, currency: str, amount_e8: int) -> None:
        self.witness.paid |= {(account, currency), (to_account, currency)}
        fields = {"account": account, "to_account": to_account, "currency": currency, "amount_e8": amount_e8}
        self.control(ControlKind.TRANSFER, **fields)

    def mark(self, symbol: str, price_e8: int) -> None:
        self._count += 1
        self._append("marks", Mark(symbol, price_e8, self._count, self.log.now_us), symbol)

    def tick(self) -> None:
        self._count += 1
        self._append("clock", Tick(self._count, self.log.now_us))

    def _append(self, topic: str, message: Message, key: str = "") -> None:
        self.log.append(topic, 0, key.encode(), CODEC.encode(message))

    # What is read

    def step(self, stage: str, most: int) -> None:
        """One stage reads so many records of each topic."""
        self._shard(stage).step(lambda _: most)
        self.look()

    def settle(self) -> None:
        """Until nothing is under way."""
        self.pipeline.run()
        for shard in self.pipeline.shards:
            pending = shard.shard.flush()
            if pending is not None:
                shard.publish(pending)
        self.look()
        self._compare_funds()

    def restart(self, stage: str) -> None:
        """A process ends and another goes on: from the newest snapshot, and what the journal says since."""
        shard, core = self._shard(stage), self.cores[stage]
        pending = shard.shard.flush()
        if pending is not None:
            shard.publish(pending)
        self.look()
        before, twin = core.dump(), core.twin
        core.core, core.twin = core.make(0, 1), None
        shard.open()
        assert core.dump() == before
        core.twin = twin

    def snapshot(self, stage: str) -> None:
        self._shard(stage).snapshot()
        self.look()

    def ask(self, command: dict[str, Any], account: str) -> None:
        """A check says what a new order is answered; everything is settled before."""
        self.settle()
        self.command(CommandKind.CHECK, account, **command)
        order_id = self.command(CommandKind.NEW, account, **command)
        first = {topic: self.log.end(topic, 0) for topic in ("executions", "orders")}
        self._shard("risk").step()
        self.look()
        written = [
            CODEC.decode(r.value or b"", "Execution") for r in self.log.read("executions", 0, first["executions"])
        ]
        answers = [e for e in written if isinstance(e, Execution) and e.command_id is not None]
        (checked,) = (e for e in answers if e.kind is ExecutionKind.CHECKED)
        refused = [e for e in answers if e.kind is ExecutionKind.REJECTED]
        orders = [CODEC.decode(r.value or b"", "Order") for r in self.log.read("orders", 0, first["orders"])]
        let_pass = [o for o in orders if isinstance(o, Order) and o.command_id == order_id]
        assert len(refused) + len(let_pass) == 1
        said = (refused[0].reason, refused[0].limit_e8, refused[0].actual_e8) if refused else (Reason.NONE, None, None)
        assert (checked.reason, checked.limit_e8, checked.actual_e8) == said

    def look(self) -> None:
        """Read what was written, and compare the books with it."""
        written: list[Message] = []
        for topic, name in WITNESSED.items():
            records = self.log.read(topic, 0, self._read[topic])
            self._read[topic] += len(records)
            written += [CODEC.decode(record.value or b"", name) for record in records]
        self.witness.see(written)
        core = self.cores["matching"].core
        assert isinstance(core, MatchingCore)
        for symbol, book in [*core.books.items(), *core.apart.items()]:
            levels = {
                (level.side, level.price_e8): (level.quantity_e8, level.order_count)
                for side in (book.bids, book.asks)
                for level in side.levels.values()
            }
            assert levels == self.witness.levels[symbol], symbol
            for level in (*book.bids.levels.values(), *book.asks.levels.values()):
                parts = [(order.leaves_e8, order.hidden_e8) for order in level.orders()]
                assert (level.quantity_e8, level.hidden_e8) == tuple(map(sum, zip(*parts, strict=True))), symbol
            if symbol in core.books:
                bids = [price for side, price in levels if side is Side.BUY]
                asks = [price for side, price in levels if side is Side.SELL]
                assert not bids or not asks or max(bids) < min(asks), f"{symbol} is crossed"

    def _compare_funds(self) -> None:
        naive, quantities = self.witness.settled()
        for seen in self.witness.open_orders():
            rules, order = self.rules[seen.order.symbol], seen.order
            types = rules.get("order_types")
            assert types is None or order.order_type in types.split(","), seen
            if order.order_type in PRICED:
                assert not seen.limit % rules["tick_e8"], seen
            assert order.display_quantity_e8 is None or not order.display_quantity_e8 % rules["lot_e8"], seen
            largest = rules.get("quantity_max_e8")
            # What a bracket brings is of what was filled, whatever the symbol takes by then.
            is_brought = order.client_order_id.endswith((PROFIT_SUFFIX, STOP_SUFFIX))
            assert is_brought or largest is None or seen.filled + seen.leaves <= largest, seen
        naive.leverage = self.leverage
        core = self.cores["risk"].core
        assert isinstance(core, RiskCore)
        for name in ACCOUNTS:
            account = core._accounts[name]
            for currency in CURRENCIES:
                balance = account.balance(currency)
                held, reserved = self.witness.held[name, currency], naive.reserved(name, currency)
                assert (balance.total_e8, balance.reserved_e8) == (held, reserved), (name, currency)
            if self.leverage[name] is not None:
                for pair in set(SYMBOLS.values()):
                    opened = account.open_quantities.get(pair)
                    sums = (0, 0) if opened is None else (opened.buy_e8, opened.sell_e8)
                    assert sums == tuple(quantities[name, pair, side] for side in (Side.BUY, Side.SELL)), (name, pair)

    def _shard(self, stage: str) -> MemoryShard:
        return next(shard for shard in self.pipeline.shards if shard.stage.name == stage)

    def _factory(self, name: str) -> CoreFactory:
        return lambda _shard, _shards: self.cores[name]
