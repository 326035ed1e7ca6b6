"""GET /api/v1/book/{symbol} on the lean path: from memory, and made anew only when the book has changed."""

import gzip
from collections import OrderedDict
from typing import Any, Final
from urllib.parse import parse_qs

from gateway import limits
from gateway.asgi import Headers, Reply, Request
from gateway.envelope import encode
from gateway.errors import ApiError, Code
from gateway.market.symbols import Symbols
from gateway.orders.values import SYMBOL, parse_symbol
from gateway.stream.hub import BookState, Hub

BOOK: Final = "/api/v1/book/"
_DIGITS_MAX: Final = len(str(limits.BOOK_DEPTH_MAX))
_VARIES: Final = (b"vary", b"accept-encoding")


class Books:
    """Answers with the best levels of books."""

    def __init__(self, symbols: Symbols, hub: Hub) -> None:
        """What instruments there are, and where their books are kept."""
        self._symbols = symbols
        self._hub = hub
        self._made: OrderedDict[tuple[str, int, bool], tuple[BookState, Reply]] = OrderedDict()
        """By symbol, depth and whether it is compressed: a state of the book, and the answer made of it."""
        self._bytes = 0

    async def get(self, request: Request) -> Reply:
        """The best levels of a book, best first, as [price, quantity]."""
        symbol = parse_symbol(request.path[len(BOOK) :])
        self._symbols.require(symbol)
        depth = _depth(request.query)
        asked = symbol, depth, b"gzip" in (request.heads.accept_encoding or b"")
        state = self._hub.book_state(symbol)
        made = self._made.get(asked)
        if made is not None and made[0] == state:
            return made[1]
        reply = _reply(encode(self._hub.book(symbol, depth)), is_compressed=asked[2])
        if made is not None:
            self._bytes -= len(made[1].body)
        self._made[asked] = state, reply
        self._made.move_to_end(asked)
        self._bytes += len(reply.body)
        while self._bytes > limits.BOOKS_KEPT_BYTES_MAX:
            _, (_, oldest) = self._made.popitem(last=False)
            self._bytes -= len(oldest.body)
        return reply


def openapi_paths() -> dict[str, Any]:
    """What the OpenAPI document says of it."""
    depth = {"type": "integer", "minimum": 1, "maximum": limits.BOOK_DEPTH_MAX, "default": limits.BOOK_DEPTH_DEFAULT}
    return {
        BOOK + "{symbol}": {
            "get": {
                "tags": ["market"],
                "summary": "Get a book",
                "description": "Its best levels, best first, as [price, quantity].",
                "operationId": "get_book",
                "parameters": [
                    {
                        "name": "symbol",
                        "in": "path",
                        "required": True,
                        "description": "The instrument, such as BTC-USD",
                        "schema": {"type": "string", "pattern": SYMBOL},
                    },
                    {"name": "depth", "in": "query", "description": "Levels of each side", "schema": depth},
                ],
                "responses": {"200": {"description": "The book as it is in this process's memory"}},
            }
        }
    }


def _depth(query: bytes) -> int:
    """`?depth=`. Raises ApiError."""
    texts = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("depth") if query else None
    if texts is None:
        return limits.BOOK_DEPTH_DEFAULT
    text = texts[-1]
    is_number = text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX
    if not is_number or not 1 <= int(text) <= limits.BOOK_DEPTH_MAX:
        raise ApiError(
            Code.VALIDATION_FAILED,
            f"depth must be a whole number from 1 to {limits.BOOK_DEPTH_MAX}.",
            field="depth",
            value=text,
        )
    return int(text)


def _reply(body: bytes, *, is_compressed: bool) -> Reply:
    headers: Headers = [_VARIES]
    if is_compressed and len(body) >= limits.GZIP_BYTES_MIN:
        body = gzip.compress(body, limits.GZIP_LEVEL, mtime=0)
        headers.append((b"content-encoding", b"gzip"))
    return Reply(200, body, headers)
