"""/api/v1/api-keys and /api/v1/signing-keys: how a person makes keys for programs, and takes them back."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from gateway import limits
from gateway.auth.keys import ApiKeys
from gateway.auth.routes import BEARER, Caller
from gateway.auth.signing_keys import SigningKeys
from gateway.errors import ApiError, Code
from gateway.pages import answer
from gateway.rights import Right
from schemas.units import format_us


class NewApiKey(BaseModel):
    """What a key is for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=limits.API_KEY_NAME_MAX, pattern=r"^[^\x00-\x1f\x7f]+$")]
    scopes: Annotated[list[Literal["read", "trade", "admin"]], Field(min_length=1, max_length=3)]
    addresses: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(max_length=limits.API_KEY_ADDRESSES_MAX, description="Addresses and networks; empty: from everywhere"),
    ] = []


class NewSigningKey(BaseModel):
    """A key with which a bot seals commands."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="What `seal_key` names in records")]
    public_key: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="The 32 bytes of an Ed25519 public key")]


def signing_router(keys: SigningKeys) -> APIRouter:
    """The routes under /api/v1/signing-keys."""
    routes = APIRouter(prefix="/api/v1/signing-keys", tags=["auth"], dependencies=[BEARER])

    @routes.post("", status_code=201)
    async def register_signing_key(identity: Caller, new: NewSigningKey) -> Response:
        """Register a public key for the account: risk takes commands with its seal from there on in the log."""
        await keys.register(identity, new.key_id, bytes.fromhex(new.public_key))
        made = answer({"key_id": new.key_id, "public_key": new.public_key})
        made.status_code = 201
        return made

    @routes.get("")
    async def list_signing_keys(identity: Caller) -> Response:
        """The account's public keys, in the order in which they were registered."""
        of_account = keys.of_account(identity.account).items()
        return answer([{"key_id": key_id, "public_key": key.hex()} for key_id, key in of_account])

    @routes.delete("/{key_id}")
    async def revoke_signing_key(identity: Caller, key_id: str) -> Response:
        """Revoke a key: risk refuses commands with its seal from there on in the log."""
        await keys.revoke(identity, key_id)
        return answer({"key_id": key_id, "status": "revoked"})

    return routes


def router(keys: ApiKeys) -> APIRouter:
    """The routes under /api/v1/api-keys."""
    routes = APIRouter(prefix="/api/v1/api-keys", tags=["auth"], dependencies=[BEARER])

    @routes.post("", status_code=201)
    async def make_api_key(identity: Caller, new: NewApiKey) -> Response:
        """Make a key. It is shown this once: keep it."""
        rights = frozenset(map(Right, new.scopes))
        key, row = await keys.make(identity, new.name, rights, new.addresses)
        made = answer({"key": key} | _shown(row))
        made.status_code = 201
        return made

    @routes.get("")
    async def list_api_keys(identity: Caller) -> Response:
        """The user's keys that were not revoked, newest first, without their secrets."""
        return answer([_shown(row) for row in await keys.of_user(identity.username)])

    @routes.delete("/{key_id}")
    async def revoke_api_key(identity: Caller, key_id: str) -> Response:
        """Revoke a key: requests and WebSocket connections with it end everywhere within about a second."""
        if "\0" in key_id or not await keys.revoke(identity.username, key_id):
            raise ApiError(Code.NOT_FOUND, "You have no such key.")
        return answer({"key_id": key_id, "status": "revoked"})

    return routes


def _shown(row: Row[Any]) -> dict[str, Any]:
    return {
        "key_id": row.key_id,
        "name": row.name,
        "scopes": row.scopes.split(),
        "addresses": row.addresses.split(),
        "created_time": format_us(row.created_us),
    }
