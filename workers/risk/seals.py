"""Who may command an account: the gateway, by a secret that it shares with risk, and who has a key of the account."""

from collections.abc import Mapping

from schemas.messages import Reason
from schemas.seal import SEAL_HEADER, SEAL_KEY_HEADER, verify_ed25519, verify_hmac
from workers.kernel.stage import Input
from workers.risk.accounts import Account


def seal_reason(record: Input, secrets: Mapping[bytes, bytes], account: Account | None) -> Reason | None:
    """Why the command is not authorised, None if it is."""
    key_id = seal = None
    for name, value in record.headers:
        if name == SEAL_KEY_HEADER:
            key_id = value
        elif name == SEAL_HEADER:
            seal = value
    if key_id is None or seal is None:
        return Reason.SEAL_MISSING
    secret = secrets.get(key_id)
    if secret is not None:
        return None if verify_hmac(secret, record.value, seal) else Reason.SEAL_INVALID
    key = account.keys.get(key_id.decode(errors="replace")) if account is not None else None
    if key is None:
        return Reason.KEY_UNKNOWN
    return None if verify_ed25519(key, record.value, seal) else Reason.SEAL_INVALID
