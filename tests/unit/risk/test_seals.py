"""Who may speak for an account: the gateway's secrets, and keys registered for the account itself."""

import hashlib
import hmac

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.messages import (
    Command,
    CommandKind,
    ControlKind,
    Execution,
    ExecutionKind,
    Message,
    Order,
    OrderStatus,
    OrderType,
    Reason,
    Side,
)
from schemas.seal import (
    SealError,
    first_secret,
    parse_seal_secrets,
    public_key,
    seal_ed25519,
    seal_headers,
    seal_hmac,
    verify_ed25519,
    verify_hmac,
)
from schemas.units import E8
from tests.oracle.risk_desk import SECRET, SECRETS, Desk, open_desk

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RAW = KEY.public_key().public_bytes_raw()


def command(kind: CommandKind = CommandKind.NEW) -> Command:
    return Command(
        kind,
        "alice",
        client_order_id="one",
        symbol="BTC-USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        price_e8=1000 * E8,
        quantity_e8=E8,
    )


VALUE = msgspec.json.encode(command())


def desk() -> Desk:
    return open_desk(alice={"USD": 10_000 * E8}, bob={"USD": 10_000 * E8})


def answer(at: Desk, headers: tuple[tuple[str, bytes], ...]) -> Message:
    (output,) = at.send(command(), headers)
    return output.message


def reason(at: Desk, headers: tuple[tuple[str, bytes], ...]) -> Reason:
    message = answer(at, headers)
    assert isinstance(message, Execution)
    assert (message.kind, message.status) == (ExecutionKind.REJECTED, OrderStatus.REJECTED)
    return message.reason


@pytest.mark.parametrize("key_id", ["gateway-1", "gateway-0"])
def test_every_secret_of_the_gateway_authorises(key_id: str) -> None:
    assert isinstance(answer(desk(), seal_headers(key_id, seal_hmac(SECRETS[key_id], VALUE))), Order)


@pytest.mark.parametrize(
    "headers",
    [(), (("seal", seal_hmac(SECRET, VALUE)),), (("seal_key", b"gateway-1"),), (("Seal_Key", b"gateway-1"),)],
)
def test_without_both_headers_a_command_is_not_authorised(headers: tuple[tuple[str, bytes], ...]) -> None:
    assert reason(desk(), headers) is Reason.SEAL_MISSING


@pytest.mark.parametrize(
    "seal", [b"", bytes(32), seal_hmac(SECRET, VALUE)[:-1], seal_hmac(SECRET, VALUE + b" "), seal_hmac(b"no", VALUE)]
)
def test_a_forged_hmac_is_refused(seal: bytes) -> None:
    assert reason(desk(), seal_headers("gateway-1", seal)) is Reason.SEAL_INVALID


@pytest.mark.parametrize("key_id", [b"", b"gateway-2", b"bot", b"\xff\xfe"])
def test_an_unknown_key_is_refused(key_id: bytes) -> None:
    assert reason(desk(), (("seal_key", key_id), ("seal", bytes(64)))) is Reason.KEY_UNKNOWN


def test_a_registered_key_speaks_for_its_account_until_it_is_revoked() -> None:
    at = desk()
    headers = seal_headers("bot", seal_ed25519(KEY, VALUE))
    at.control(ControlKind.KEY, account="bob", key_id="bot", public_key=RAW)
    assert reason(at, headers) is Reason.KEY_UNKNOWN
    at.control(ControlKind.KEY, account="alice", key_id="bot", public_key=RAW)
    assert isinstance(answer(at, headers), Order)
    at.control(ControlKind.KEY, account="alice", key_id="bot")
    at.control(ControlKind.KEY, account="alice", key_id="never-there")
    assert reason(at, headers) is Reason.KEY_UNKNOWN


@pytest.mark.parametrize("seal", [b"", bytes(64), seal_ed25519(KEY, VALUE)[:-1], seal_ed25519(KEY, VALUE + b"!")])
def test_a_forged_signature_is_refused(seal: bytes) -> None:
    at = desk()
    at.control(ControlKind.KEY, account="alice", key_id="bot", public_key=RAW)
    assert reason(at, seal_headers("bot", seal)) is Reason.SEAL_INVALID


@pytest.mark.parametrize("raw", [bytes(32), bytes([255] * 32), bytes([1] + [0] * 31)])
def test_a_degenerate_public_key_authorises_nothing_and_stops_nothing(raw: bytes) -> None:
    at = desk()
    at.control(ControlKind.KEY, account="alice", key_id="bot", public_key=raw)
    assert reason(at, seal_headers("bot", bytes([7] * 64))) is Reason.SEAL_INVALID


def test_the_seal_is_asked_before_anything_else() -> None:
    (output,) = Desk().send(msgspec.structs.replace(command(), kind=CommandKind.UNKNOWN, account="nobody"), ())
    assert isinstance(output.message, Execution)
    assert output.message.reason is Reason.SEAL_MISSING


def test_a_cancel_without_seal_is_answered_as_a_cancel() -> None:
    at = desk()
    order = at.placed()
    (output,) = at.send(Command(CommandKind.CANCEL, "alice", order_id=order.order_id), ())
    message = output.message
    assert isinstance(message, Execution)
    assert (message.kind, message.status) == (ExecutionKind.CANCEL_REJECTED, OrderStatus.UNKNOWN)
    assert (message.reason, message.order_id) == (Reason.SEAL_MISSING, order.order_id)


@pytest.mark.parametrize("length", [0, 1, 16, 32, 63, 64, 65, 200])
def test_the_hmac_is_that_of_rfc_2104(length: int) -> None:
    secret = bytes(index % 251 for index in range(length))
    for value in (b"", b"x", VALUE, bytes(1000)):
        expected = hmac.digest(secret, value, hashlib.sha256)
        assert seal_hmac(secret, value) == expected
        assert verify_hmac(secret, value, expected)
        assert not verify_hmac(secret, value + b"0", expected)


def test_signatures_verify_by_the_raw_public_key() -> None:
    key = public_key(RAW)
    assert verify_ed25519(key, VALUE, seal_ed25519(KEY, VALUE))
    assert not verify_ed25519(key, VALUE + b"0", seal_ed25519(KEY, VALUE))
    with pytest.raises(SealError, match="has 32 bytes, this one has 31"):
        public_key(RAW[:-1])


def test_secrets_are_read_in_order_and_the_first_one_seals() -> None:
    secrets = parse_seal_secrets(f"gateway-2:{'ab' * 32}, gateway-1:{'00' * 16}")
    assert secrets == {"gateway-2": b"\xab" * 32, "gateway-1": bytes(16)}
    assert first_secret(secrets) == ("gateway-2", b"\xab" * 32)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "seal secret 1: write it as id:hex"),
        ("abcdef", "seal secret 1: write it as id:hex"),
        (":00", "seal secret 1: write it as id:hex"),
        ("a b:00", "seal secret 1: write it as id:hex"),
        (f"{'k' * 65}:{'00' * 32}", "seal secret 1: write it as id:hex"),
        (f"a:{'00' * 32},b:xyz", r"seal secret 2 \('b'\): what follows the colon is not hexadecimal"),
        (f"a:{'00' * 32},a:{'11' * 32}", "seal secret 2: the id 'a' stands there twice"),
        ("a:0011", r"seal secret 1 \('a'\): 2 bytes, at least 16"),
    ],
)
def test_unusable_secrets_are_explained_without_showing_them(text: str, sentence: str) -> None:
    with pytest.raises(SealError, match=sentence) as caught:
        parse_seal_secrets(text)
    assert "0011" not in str(caught.value)
