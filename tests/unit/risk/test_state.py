"""Risk's state as bytes: what it keeps, and that it is refused when another release wrote it."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.messages import AccountKind, Command, CommandKind, ControlKind, Execution, ExecutionKind, Reason, Side
from schemas.seal import seal_ed25519, seal_headers
from schemas.units import E8, RISK_BIT
from tests.oracle.risk_desk import SECRETS, Desk, open_desk
from workers.risk import accounts
from workers.risk.app import SEAL_SECRETS_NAME, make_core
from workers.risk.core import RiskCore


def reloaded(at: Desk) -> None:
    state = at.core.dump()
    at.core = RiskCore(at.shard, 1, seal_secrets=SECRETS)
    at.core.load(state, at.core.behaviour)
    assert at.core.dump() == state


def test_keys_ids_and_refusals_survive() -> None:
    at = open_desk(alice={"USD": 1})
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    at.control(ControlKind.KEY, account="alice", key_id="bot", public_key=key.public_key().public_bytes_raw())
    at.refused(client_order_id="mine")
    at.control(ControlKind.FUNDS, control_id="deposit", account="alice", currency="USD", amount_e8=7)
    reloaded(at)
    at.control(ControlKind.FUNDS, control_id="deposit", account="alice", currency="USD", amount_e8=7)
    assert at.balance("alice", "USD") == (8, 0)
    command = Command(CommandKind.CANCEL, "alice", client_order_id="mine")
    headers = seal_headers("bot", seal_ed25519(key, b"value"))
    (output,) = at.put("commands", "alice", command, b"value", headers)
    assert isinstance(output.message, Execution)
    assert (output.message.kind, output.message.reason) == (ExecutionKind.CANCEL_REJECTED, Reason.ORDER_FINAL)
    assert output.message.execution_id == RISK_BIT | 2


def test_which_order_ended_first_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "FINAL_ORDERS_MAX", 2)
    at = open_desk(alice={"USD": 10_000 * E8})
    first, second, third = (at.placed(client_order_id=name) for name in ("first", "second", "third"))
    at.ended(second)
    at.ended(first)
    reloaded(at)
    at.ended(third)
    assert sorted(at.core._accounts["alice"].by_client_id) == ["first", "third"]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_the_exposure_of_open_margin_orders_survives(side: Side) -> None:
    at = open_desk()
    at.account(account_kind=AccountKind.MARGIN, leverage_e8=E8, funds={"USD": 1000 * E8})
    at.placed(side=side)
    reloaded(at)
    assert at.refused(side=side) == (Reason.MARGIN_INSUFFICIENT, 1000 * E8, 2000 * E8)


def test_an_account_without_a_record_stays_unknown() -> None:
    at = open_desk()
    at.funds("carol", "USD", 5 * E8)
    reloaded(at)
    assert at.core._accounts["carol"].kind is None
    assert at.balance("carol", "USD") == (5 * E8, 0)


def test_a_state_of_another_behaviour_is_refused() -> None:
    with pytest.raises(ValueError, match="behaviour version 0: this release reads versions 1 to 6"):
        Desk().core.load(b"", 0)


def test_the_worker_takes_the_gateways_secrets_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SEAL_SECRETS_NAME, f"gateway-1:{'ab' * 32}")
    assert make_core(0, 1).behaviour == RiskCore.behaviour
    monkeypatch.delenv(SEAL_SECRETS_NAME)
    with pytest.raises(ValueError, match="GATEWAY_SEAL_SECRETS is not set: give the gateway's secrets as id:hex"):
        make_core(0, 1)
