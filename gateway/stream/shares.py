"""What the WebSocket connections of one account, and those of one address, may have together."""

from typing import Final

from gateway import limits
from gateway.errors import ApiError, Code
from gateway.rates import is_local
from gateway.tally import Tally


class Shares:
    """Shared by all connections of a process. Programs on this host are not limited as an address."""

    def __init__(self) -> None:
        self._accounts: Final = Tally()
        self._connections: Final = Tally()
        self._channels: Final = Tally()

    def enter(self, address: str) -> None:
        """One more connection of an address. Raises ApiError."""
        most = limits.WS_CONNECTIONS_PER_ADDRESS
        if not is_local(address) and not self._connections.take(address, 1, most):
            raise ApiError(Code.LIMIT_EXCEEDED, f"An address may have {most} connections at a time.")

    def leave(self, address: str, channels: int) -> None:
        """A connection of an address, with so many channels, has ended."""
        if not is_local(address):
            self._connections.give_back(address)
            self._channels.give_back(address, channels)

    def log_in(self, account: str) -> None:
        """One more connection of an account. Raises ApiError."""
        most = limits.WS_CONNECTIONS_PER_ACCOUNT
        if not self._accounts.take(account, 1, most):
            raise ApiError(Code.LIMIT_EXCEEDED, f"An account may have {most} connections at a time.")

    def log_out(self, account: str) -> None:
        """A connection of an account has ended."""
        self._accounts.give_back(account)

    def subscribe(self, address: str, channels: int) -> None:
        """So many more channels of an address. Raises ApiError."""
        most = limits.WS_SUBSCRIPTIONS_PER_ADDRESS
        if not is_local(address) and not self._channels.take(address, channels, most):
            raise ApiError(Code.LIMIT_EXCEEDED, f"An address may have {most} channels at a time.")

    def unsubscribe(self, address: str, channels: int) -> None:
        """So many channels of an address fewer."""
        if not is_local(address):
            self._channels.give_back(address, channels)
