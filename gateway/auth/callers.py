"""Who asks: the identity behind an access token or an API key, as long as it is good."""

from collections.abc import Sequence

from gateway.auth.keys import PREFIX, ApiKeys, Network, is_in
from gateway.auth.revocations import Revocations
from gateway.auth.tokens import Identity, Tokens
from gateway.errors import ApiError, Code
from gateway.rights import FOR_ADMINS, Right, require


class Callers:
    """Knows callers by what they show."""

    def __init__(
        self, tokens: Tokens, keys: ApiKeys, revocations: Revocations, admin_networks: Sequence[Network] = ()
    ) -> None:
        """What verifies tokens and keys, what knows of sessions that were ended, and whence admins may ask."""
        self._admin_networks = tuple(admin_networks)
        self._tokens = tokens
        self._keys = keys
        self._revocations = revocations

    async def admit(self, authorization: bytes | None, right: Right, host: str) -> Identity:
        """Who sends an Authorization header from a host, and has a right. Raises ApiError."""
        identity = await self.of_header(authorization, host)
        require(identity.rights, right)
        if right in FOR_ADMINS and not is_in(host, self._admin_networks):
            raise ApiError(Code.FORBIDDEN, f"What needs the right {right} may not be asked from {host}.")
        return identity

    async def of_header(self, authorization: bytes | None, host: str) -> Identity:
        """Who sends an Authorization header from a host. Raises ApiError."""
        if authorization is None:
            raise _refused(
                "This needs a token or a key: send it as `Authorization: Bearer TOKEN`; POST /auth/login gives one."
            )
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise _refused("The Authorization header must be `Bearer TOKEN`.")
        return await self.known(token.decode("latin-1"), host)

    async def known(self, token: str, host: str) -> Identity:
        """Whose access token or key this is. Raises ApiError."""
        if token.startswith(PREFIX):
            return await self._keys.identity(token, host)
        identity = self._tokens.verify(token)
        self._revocations.require(identity.session_id)
        return identity


def _refused(message: str) -> ApiError:
    return ApiError(Code.UNAUTHORIZED, message)
