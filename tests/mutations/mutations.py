"""All mistakes that are tried."""

from typing import Final

from tests.mutations.client import CLIENT_MUTATIONS
from tests.mutations.gateway import GATEWAY_MUTATIONS
from tests.mutations.matching import MATCHING_MUTATIONS
from tests.mutations.matching_sessions import SESSION_MUTATIONS
from tests.mutations.matching_triggers import TRIGGER_MUTATIONS
from tests.mutations.mutation import Mutation
from tests.mutations.others import OTHER_MUTATIONS
from tests.mutations.risk import RISK_MUTATIONS
from tests.mutations.risk_funds import RISK_FUNDS_MUTATIONS
from tests.mutations.risk_limits import RISK_LIMIT_MUTATIONS
from tests.mutations.risk_orders import RISK_ORDER_MUTATIONS
from tests.mutations.streams import STREAM_MUTATIONS

MUTATIONS: Final[tuple[Mutation, ...]] = (
    *MATCHING_MUTATIONS,
    *SESSION_MUTATIONS,
    *TRIGGER_MUTATIONS,
    *RISK_MUTATIONS,
    *RISK_ORDER_MUTATIONS,
    *RISK_LIMIT_MUTATIONS,
    *RISK_FUNDS_MUTATIONS,
    *OTHER_MUTATIONS,
    *GATEWAY_MUTATIONS,
    *STREAM_MUTATIONS,
    *CLIENT_MUTATIONS,
)
