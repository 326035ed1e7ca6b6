"""Why pre-trade risk refuses something."""

from typing import NamedTuple

from schemas.messages import Reason


class Refusal(NamedTuple):
    """Why an order is refused, and the numbers behind it: 10^-8 of the rule's unit (a count of 3 is 300000000)."""

    reason: Reason
    limit_e8: int | None = None
    actual_e8: int | None = None
