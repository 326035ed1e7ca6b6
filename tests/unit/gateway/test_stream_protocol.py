"""The end of a connection whose client does not answer."""

import asyncio

import pytest

from gateway import limits
from tests.fuzz.targets import HANDSHAKE, Transport, open_protocol


class Stuck(Transport):
    """A client that reads nothing: what is closed waits for it."""

    is_cut_off = False

    def abort(self) -> None:
        self.is_cut_off = True


async def test_who_answers_no_ping_is_told_and_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WS_ABORT_S", 0.01)
    transport = Stuck()
    protocol = open_protocol(transport)
    protocol.data_received(HANDSHAKE)
    await asyncio.sleep(0)
    protocol.keepalive_timeout()
    assert bytes(transport.written).endswith((1011).to_bytes(2) + b"keepalive ping timeout")
    assert (transport.is_closed, transport.is_cut_off) == (True, False)
    async with asyncio.timeout(60):
        while not transport.is_cut_off:  # noqa: ASYNC110 - the transport gives no event
            await asyncio.sleep(0.005)
    protocol.connection_lost(None)
    await asyncio.sleep(0)
