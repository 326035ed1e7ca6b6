"""Value at risk of random marks, against the naive model."""

from random import Random

from schemas.units import E8
from tests.oracle.naive_var import HOUR, NaiveVar
from workers.risk.value_at_risk import MarkHistory

SYMBOLS = ("BTC-USD", "ETH-USD", "XRP-USD")


def test_random_marks_give_what_the_naive_model_says() -> None:
    for seed in range(6):
        chance = Random(seed)
        history, naive, now = MarkHistory(), NaiveVar(), 400_000 * HOUR
        for step in range(chance.choice((60, 300, 700))):
            now += chance.choice((HOUR // 3, HOUR // 2, HOUR, HOUR, 3 * HOUR, 40 * HOUR if not step % 50 else HOUR))
            symbol, price = chance.choice(SYMBOLS[: 2 if step < 100 else 3]), chance.randint(900 * E8, 1100 * E8)
            late = chance.choice((0, 0, 0, HOUR))
            history.see(symbol, price, now - late)
            newest = max((hour for name, hour, _ in naive.marks if name == symbol), default=0)
            naive.see(symbol, price, max(now - late, newest * HOUR))
            if not step % 37:
                values = {name: chance.randint(-(10**12), 10**12) for name in SYMBOLS}
                for at in (now, now, now + chance.randint(0, 30) * HOUR):
                    assert history.value_at_risk_e8(values, at) == naive.at_risk(values, at), (seed, step)
