"""All mistakes that are tried."""

from typing import Final

from tests.mutations.client import CLIENT_MUTATIONS
from tests.mutations.gateway import GATEWAY_MUTATIONS
from tests.mutations.matching import MATCHING_MUTATIONS
from tests.mutations.mutation import Mutation
from tests.mutations.others import OTHER_MUTATIONS
from tests.mutations.risk import RISK_MUTATIONS
from tests.mutations.streams import STREAM_MUTATIONS

MUTATIONS: Final[tuple[Mutation, ...]] = (
    *MATCHING_MUTATIONS,
    *RISK_MUTATIONS,
    *OTHER_MUTATIONS,
    *GATEWAY_MUTATIONS,
    *STREAM_MUTATIONS,
    *CLIENT_MUTATIONS,
)
