"""What the operator and time do to a market of random decisions: its symbols, accounts, funds, limits and marks."""

from schemas.messages import (
    AccountKind,
    AccountStatus,
    ControlKind,
    Order,
    OrderType,
    Reason,
)
from schemas.units import E8
from tests.oracle.market_answers import by_age, why_removed
from tests.oracle.market_state import ACCOUNTS, CURRENCIES, RATES, STRATEGIES, SYMBOLS, Market, owners_of
from tests.oracle.naive_limits import DAY

INITIAL = (None, E8 // 10, E8 // 2, E8, E8)
MAINTENANCE = (None, None, E8 // 20, E8 // 4, E8 * 3 // 4)


def set_symbol(market: Market, symbol: str) -> None:
    base, quote, price = SYMBOLS[symbol]
    maker, taker = market.rng.choice(RATES), market.rng.choice(RATES)
    market.rates[symbol] = max(maker, taker)
    maintenance = market.losses.maintenance[symbol] = market.rng.choice(MAINTENANCE)
    initial = market.rng.choice(INITIAL)
    initial = market.naive.initial[symbol] = None if initial is None else max(initial, maintenance or 0)
    volumes = {market.rng.randint(1, 20_000 * E8) for _ in range(market.rng.choice((0, 0, 1, 3)))}
    tiers = market.tiers[symbol] = [
        (volume, market.rng.choice(RATES), market.rng.choice(RATES)) for volume in sorted(volumes)
    ]
    market.timers.leaving.update(order.order_id for order in market.desk.removed)
    before, known = market.largest.get(symbol), symbol in market.largest
    largest = market.largest[symbol] = market.rng.choice((None, None, None, 3 * E8, 2 * E8))
    removed = market.desk.symbol(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_e8=1,
        lot_e8=1,
        quantity_min_e8=None,
        notional_min_e8=None,
        notional_max_e8=None,
        quantity_max_e8=largest,
        price_band_e8=9 * E8 // 10,
        reference_price_e8=price * E8,
        maker_fee_e8=maker,
        taker_fee_e8=taker,
        maintenance_margin_e8=maintenance,
        initial_margin_e8=initial,
        fee_tiers=",".join("/".join(map(str, tier)) for tier in tiers) or None,
    )
    narrower = known and largest is not None and (before is None or largest < before)
    expected = beyond(market, symbol, largest) if narrower and largest is not None else []
    assert sorted(map(why_removed, removed), key=by_age) == expected
    market.timers.leaving.update(order_id for _, order_id, *_ in expected)


def beyond(market: Market, symbol: str, largest: int) -> list[tuple[str, int, str, int | None, int | None]]:
    """Resting orders that are larger than that, or would become so: account by account, oldest first."""
    found = []
    for order_id, order in market.open.items():
        rests = order.order_type is OrderType.LIMIT or order.trigger_by is not None
        if order.symbol == symbol and rests and order_id not in market.timers.leaving:
            amend = market.amends.get(order_id)
            quantities = [order.quantity_e8, *([amend.quantity_e8] if amend else [])]
            too_large = [quantity for quantity in quantities if quantity > largest]
            if too_large:
                found.append((order.account, order_id, "QUANTITY_TOO_LARGE", largest, too_large[0]))
    return sorted(found, key=by_age)


def set_account(market: Market, account: str, leverage: int | None, *, resume: bool = False) -> None:
    kind = AccountKind.CASH if leverage is None else AccountKind.MARGIN
    market.naive.leverage[account] = None if leverage is None else leverage * E8
    leverage_e8 = None if leverage is None else leverage * E8
    status = AccountStatus.ACTIVE
    market.desk.account(account, account_kind=kind, account_status=status, leverage_e8=leverage_e8, resume=resume)
    if resume:
        market.losses.resume(account, market.desk.ts_us)
    elif market.losses.margins():
        market.losses.look(account, market.desk.ts_us)


def fund(market: Market, account: str, currency: str, amount_e8: int) -> None:
    before = len(market.desk.removed)
    market.desk.aside(market.desk.funds(account, currency, amount_e8))
    market.naive.move(account, currency, amount_e8)
    market.losses.paid.append((account, currency, amount_e8))
    if market.losses.margins():
        market.losses.look(account, market.desk.ts_us)
    compare_overtaken(market, before, account)


def compare_overtaken(market: Market, before: int, *accounts: str) -> None:
    """Funds have moved: reduce-only orders that would do more are taken out, if nothing else has done that."""
    taken = market.desk.removed[before:]
    others = [order for order in market.desk.removed if order not in taken or order.reason is not Reason.REDUCE_ONLY]
    market.timers.leaving.update(order.order_id for order in others)
    expected = {
        order_id
        for order_id, naive in market.naive.orders.items()
        if naive.account in accounts and naive.reduces and market.limits.room(naive) < 0
    }
    found = {order.order_id for order in taken if order.reason is Reason.REDUCE_ONLY}
    assert found == expected - market.timers.leaving
    market.timers.leaving |= found


def move_funds(market: Market) -> None:
    amount_e8 = market.rng.randint(-1000 * E8, 1000 * E8) or 1
    fund(market, market.rng.choice(ACCOUNTS), market.rng.choice(CURRENCIES), amount_e8)


def transfer(market: Market) -> None:
    """From one account to another, of what is often about all that it has."""
    giver, taker = market.rng.sample(ACCOUNTS, 2)
    currency = market.rng.choice(CURRENCIES)
    free_e8 = max(market.naive.total(giver, currency) - market.naive.reserved(giver, currency), 1)
    amount_e8 = market.rng.choice((free_e8, free_e8 + 1, market.rng.randint(1, free_e8), market.rng.randint(1, 10**12)))
    expected = market.naive.transfer_refusal(giver, currency, amount_e8)
    before = len(market.desk.removed)
    refusal = market.desk.transfer(giver, taker, currency, amount_e8)
    assert refusal == expected
    if refusal is None:
        for account, moved_e8 in ((giver, -amount_e8), (taker, amount_e8)):
            market.naive.move(account, currency, moved_e8)
            market.losses.paid.append((account, currency, moved_e8))
    if market.losses.margins():
        market.losses.look(giver, market.desk.ts_us)
    if market.losses.margins() and refusal is None:
        market.losses.look(taker, market.desk.ts_us)
    compare_overtaken(market, before, *(() if refusal is not None else (giver, taker)))


def stop_strategy(market: Market) -> None:
    """A strategy is stopped, in some cases with what rests of it, or goes on."""
    account, strategy = market.rng.choice(ACCOUNTS), market.rng.choice(STRATEGIES)
    status = market.rng.choice((AccountStatus.ACTIVE, AccountStatus.REDUCING, AccountStatus.SUSPENDED))
    market.stopped[account, strategy] = status
    kills = status is not AccountStatus.ACTIVE and not market.rng.randint(0, 1)
    fields = {"account": account, "strategy": strategy, "account_status": status, "cancel_open": kills}
    outputs = market.desk.control(ControlKind.STRATEGY, **fields)
    removed = [o.message for o in outputs if isinstance(o.message, Order) and o.message.reason is Reason.KILLED]
    market.desk.aside([output for output in outputs if output.message not in removed])
    if market.losses.margins():
        market.losses.look(account, market.desk.ts_us)
    market.timers.leaving.update(order.order_id for order in market.desk.removed)
    owners = [(number, account) for number, owner in owners_of(market) if owner == account and kills]
    meant = [(number, owner) for number, owner in owners if market.tags[number] == strategy]
    assert [each.order_id for each in removed] == market.timers.cancel_all(account, meant)


def change_rules(market: Market) -> None:
    set_symbol(market, market.rng.choice(list(SYMBOLS)))


def change_kind(market: Market) -> None:
    resume = not market.rng.randint(0, 2)
    set_account(market, market.rng.choice(ACCOUNTS), market.rng.choice((None, None, 1, 5)), resume=resume)


def change_limits(market: Market) -> None:
    """Other limits for some accounts and symbols, and most often none."""
    chance = market.rng
    drawn = {
        "max_order_size_e8": chance.randint(E8, 4 * E8),
        "max_position_size_e8": chance.randint(0, 60 * E8),
        "max_daily_volume_e8": chance.randint(0, 20_000 * E8),
        "max_open_orders": chance.randint(0, 8),
        "fat_finger_limit_e8": chance.randint(0, E8),
        "concentration_limit_e8": chance.randint(0, 2 * E8),
        "max_leverage_e8": chance.randint(0, 3 * E8),
    }
    fields = {name: value for name, value in drawn.items() if not chance.randint(0, 5)}
    if not chance.randint(0, 3):
        fields |= {"trade_frequency": chance.randint(1, 5), "trade_frequency_s": chance.choice((1, 7, 60))}
    account, symbol = chance.choice((None, *ACCOUNTS)), chance.choice((None, *SYMBOLS))
    if symbol is None and not chance.randint(0, 1):
        drawn = {"max_daily_loss_e8": chance.randint(0, 2000 * E8), "max_drawdown_e8": chance.randint(0, E8)}
        fields |= {name: value for name, value in drawn.items() if chance.randint(0, 2)}
    market.desk.control(ControlKind.LIMITS, account=account, symbol=symbol, **fields)
    market.limits.records.append((account, symbol, fields))
    if not market.losses.anywhere():
        market.losses.forget()


def wait(market: Market) -> None:
    market.desk.ts_us += market.rng.choice((0, 300_000, 2_000_000, 9_000_000, 40_000_000_000, 40_000_000_000, 15 * DAY))


def change_mark(market: Market) -> None:
    symbol = market.rng.choice(list(SYMBOLS))
    price_e8 = SYMBOLS[symbol][2] * market.rng.randint(E8 // 2, 3 * E8 // 2)
    market.naive.marks[symbol] = price_e8
    market.desk.mark(price_e8, symbol)
    market.losses.mark(symbol, market.desk.ts_us)
