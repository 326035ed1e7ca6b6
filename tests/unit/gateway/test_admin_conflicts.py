"""Who decides at the same moment as others undoes nothing of theirs, and is told where he may have."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import KafkaException
from msgspec.structs import replace

from gateway import limits
from schemas.codec import local_codec
from schemas.messages import AccountStatus, Control, ControlKind, SymbolStatus
from schemas.units import E8


async def test_a_change_undoes_no_stop_of_another_gateway(served: Any, ask: Any) -> None:
    newest = served.admin.decided.symbols["BTC-USD"]
    kill = replace(newest, control_id="kill", symbol_status=SymbolStatus.HALTED, cancel_open=True)
    served.others = {1: [kill]}
    data = (await ask("PATCH", "/symbols/BTC-USD", {"maker_fee": "0.002"})).json()["data"]
    assert (data["status"], data["maker_fee"]) == ("halted", "0.002")
    assert [(record.symbol_status, record.cancel_open) for record in served.decided] == [
        (SymbolStatus.TRADING, False),
        (SymbolStatus.HALTED, False),
    ]
    tick = replace(served.decided[-1], control_id="tick", symbol_status=SymbolStatus.TRADING, tick_e8=2 * E8)
    served.others = {3: [tick]}
    assert (await ask("POST", "/kill", {"what": "symbol", "name": "BTC-USD"})).status_code == 200
    holds = served.admin.decided.symbols["BTC-USD"]
    assert (holds.symbol_status, holds.tick_e8, holds.cancel_open) == (SymbolStatus.HALTED, 2 * E8, True)


async def test_limits_that_are_replaced_as_a_whole_undo_what_they_are_to(served: Any, ask: Any) -> None:
    served.others = {1: [Control(ControlKind.LIMITS, "other", account="bob", max_open_orders=5)]}
    answer = await ask("PUT", "/limits", {"account": "bob", "max_order_size": "2"})
    assert answer.status_code == 200
    holds = served.admin.decided.limits["bob", ""]
    assert (holds.max_order_size_e8, holds.max_open_orders, len(served.decided)) == (2 * E8, None, 1)


async def test_who_is_disturbed_twice_is_told(served: Any, ask: Any) -> None:
    bob = served.admin.decided.accounts["bob"]
    served.others = {
        number: [replace(bob, control_id=f"other-{number}", account_status=AccountStatus.SUSPENDED)]
        for number in (1, 2)
    }
    answer = await ask("PATCH", "/accounts/bob", {"open_orders_max": 5})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    bob, key = served.admin.decided.accounts["bob"], {"idempotency-key": "a-key-of-this-test"}
    served.others = {number: [replace(bob, control_id=f"o{number}", open_orders_max=number)] for number in (3, 4)}
    for _ in range(2):
        answer = await ask("POST", "/kill", {"what": "account", "name": "bob"}, **key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert len(served.decided) == 4


@pytest.fixture
def breaking(served: Any) -> Any:
    """Within it the log cannot be reached as soon as a decision has come by."""
    apply_all = served.decisions.apply_all

    def fold(controls: Any) -> None:
        apply_all(controls)
        served.is_current = False

    @contextmanager
    def breaks() -> Iterator[None]:
        served.decisions.apply_all = fold
        yield
        served.decisions.apply_all = apply_all
        served.is_current = True

    return breaks


async def test_who_could_not_mend_what_he_undid_is_told(served: Any, ask: Any, breaking: Any) -> None:
    newest = served.admin.decided.symbols["BTC-USD"]
    served.others = {1: [replace(newest, control_id="kill", symbol_status=SymbolStatus.HALTED, cancel_open=True)]}
    with breaking():
        answer = await ask("PATCH", "/symbols/BTC-USD", {"maker_fee": "0.002"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert "this stands, but may have undone one of theirs" in answer.json()["error"]["message"]


async def test_a_repeat_mends_what_the_first_one_could_not(served: Any, ask: Any, breaking: Any) -> None:
    newest = served.admin.decided.symbols["BTC-USD"]
    served.others = {1: [replace(newest, control_id="tick", tick_e8=2 * E8)]}
    kill, key = {"what": "symbol", "name": "BTC-USD"}, {"idempotency-key": "a-key-of-this-test"}
    with breaking():
        assert (await ask("POST", "/kill", kill, **key)).status_code == 409
    assert (await ask("POST", "/kill", kill, **key)).status_code == 200
    holds = served.admin.decided.symbols["BTC-USD"]
    assert (holds.symbol_status, holds.tick_e8, holds.cancel_open) == (SymbolStatus.HALTED, 2 * E8, True)


async def until_it_is_mended(served: Any) -> Control:
    async with asyncio.timeout(60):
        while not served.admin.decided.symbols["BTC-USD"].control_id.endswith("-again"):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    found: Control = served.admin.decided.symbols["BTC-USD"]
    return found


async def test_what_could_not_be_mended_at_once_is_later(
    served: Any, ask: Any, breaking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = served.admin.decided.symbols["BTC-USD"]
    served.others = {1: [replace(newest, control_id="kill", symbol_status=SymbolStatus.HALTED, cancel_open=True)]}
    monkeypatch.setattr(limits, "MEND_S", 0.01)
    with breaking():
        assert (await ask("PATCH", "/symbols/BTC-USD", {"maker_fee": "0.002"})).status_code == 409
        await asyncio.sleep(0.05)
    assert len(served.decided) == 1
    holds = await until_it_is_mended(served)
    assert (holds.symbol_status, holds.maker_fee_e8) == (SymbolStatus.HALTED, E8 // 500)


async def test_a_change_whose_outcome_was_unknown_undoes_no_stop_when_it_comes(
    served: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MEND_S", 0.01)
    newest, late = served.admin.decided.symbols["BTC-USD"], []

    def write(values: Any) -> Any:
        late.extend(local_codec().decode(value, "Control") for value in values)
        raise KafkaException("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(served.decisions, "_write", write)
        answer = await ask("PATCH", "/symbols/BTC-USD", {"maker_fee": "0.002"})
    assert answer.json()["error"]["code"] == "OUTCOME_UNKNOWN"
    kill = replace(newest, control_id="kill", symbol_status=SymbolStatus.HALTED, cancel_open=True)
    served.admin.apply_all([kill])
    await asyncio.sleep(0.05)
    assert not served.decided
    served.admin.apply_all(late)
    holds = await until_it_is_mended(served)
    assert (holds.symbol_status, holds.maker_fee_e8, len(served.decided)) == (SymbolStatus.HALTED, E8 // 500, 1)


async def test_a_change_that_cannot_be_with_what_came_between_is_taken_back(served: Any, ask: Any) -> None:
    newest = served.admin.decided.symbols["BTC-USD"]
    margins = {"maintenance_margin_e8": E8 // 2, "initial_margin_e8": E8 // 2}
    kill = replace(newest, control_id="kill", symbol_status=SymbolStatus.HALTED, cancel_open=True, **margins)
    served.others = {1: [kill]}
    answer = await ask("PATCH", "/symbols/BTC-USD", {"initial_margin": "0.1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert "It was taken back" in answer.json()["error"]["message"]
    holds = served.admin.decided.symbols["BTC-USD"]
    assert (holds.symbol_status, holds.initial_margin_e8, holds.issued_by) == (SymbolStatus.HALTED, E8 // 2, "root")
