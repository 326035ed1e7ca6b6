"""Lists that come in pieces, with a cursor or with numbered pages, as calls that follow from each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import msgspec

from tradsys.client.limits import PAGE_SIZE, PAGE_WINDOW
from tradsys.client.wire import Answer, Call, Envelope

T = TypeVar("T", bound=msgspec.Struct)


class Page(msgspec.Struct, frozen=True):
    """What an answer says of the list: the fields of either kind."""

    next_cursor: str | None = None
    page: int = 1
    total_pages: int = 1


class Piece(msgspec.Struct, Generic[T], frozen=True):
    """Rows of a list, and where the list goes on."""

    rows: Sequence[T]
    page: Page


class Listing(Generic[T]):
    """A whole list. Ask for `first`, then for what `following` says, and take the rows that `unseen` gives."""

    def __init__(
        self,
        path: str,
        kind: type[T],
        query: Mapping[str, str],
        identity: Callable[[T], object],
        *,
        by_cursor: bool = False,
        needs_login: bool = True,
    ) -> None:
        """Where it is, of what, and what makes two rows the same one."""
        self._identity = identity
        self._by_cursor = by_cursor
        self._seen: set[object] = set()
        decode = msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type] # msgspec takes it at run time

        def read(_: Answer, envelope: Envelope) -> Piece[T]:
            return Piece(decode(envelope.data), msgspec.json.decode(envelope.pagination, type=Page))

        size = {"limit" if by_cursor else "page_size": str(PAGE_SIZE)}
        self.first: Call[Piece[T]] = Call(
            method="GET", path=path, query={**query, **size}, read=read, needs_login=needs_login
        )

    def unseen(self, piece: Piece[T]) -> list[T]:
        """Its rows. Numbered pages move when rows are written meanwhile: what comes again is left out."""
        if self._by_cursor:
            return list(piece.rows)
        fresh = [row for row in piece.rows if self._identity(row) not in self._seen]
        self._seen.update(map(self._identity, fresh))
        return fresh

    def following(self, piece: Piece[T]) -> Call[Piece[T]] | None:
        """The call for the next piece; None at the end, or where numbered pages reach no further."""
        page = piece.page
        if self._by_cursor:
            return None if page.next_cursor is None else self._asking(cursor=page.next_cursor)
        number = page.page + 1
        if number > page.total_pages or number * PAGE_SIZE > PAGE_WINDOW:
            return None
        return self._asking(page=str(number))

    def _asking(self, **more: str) -> Call[Piece[T]]:
        return replace(self.first, query={**self.first.query, **more})
