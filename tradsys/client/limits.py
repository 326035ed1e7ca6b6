"""Every limit of the client, in one place."""

from typing import Final

TIMEOUT_S: Final = 10.0
"""For the answer to one request, beside what it asks the gateway to wait."""
CONNECT_S: Final = 3.0
"""For a connection to be made, of HTTP and WebSocket alike."""
CONNECTIONS_MAX: Final = 100
"""HTTP connections of one client; further calls wait for one."""

PATIENCE_S: Final = 15.0
"""What is safe to repeat is repeated until so long after the call began; 0: never."""
ATTEMPTS_MAX: Final = 12
"""Requests of one call, within the patience."""
BACKOFF_MIN_S: Final = 0.1
"""Before the first repetition; each next pause is twice as long, and at least what Retry-After says."""
BACKOFF_MAX_S: Final = 2.0

WAIT_S: Final = 2.0
"""How long a command waits for its first execution unless told otherwise; an order that is repeated at least so long,
because only the execution names the order that was placed first."""
WAIT_S_MAX: Final = 10.0
"""The gateway waits no longer."""
BATCH_ORDERS_MAX: Final = 50

REFRESH_BEFORE_S: Final = 60.0
"""A token is refreshed so long before it ends, or when a tenth of its time is left if that is later."""
REFRESH_AGAIN_S: Final = 5.0
"""A refresh ahead of time that failed is tried again after so long; the token is used meanwhile."""

MESSAGE_BYTES_MAX: Final = 4_000_000
"""Largest message of the stream: snapshots of 5,000 levels a side, or of 1,000 orders."""
STREAM_BACKOFF_MAX_S: Final = 5.0
"""Longest pause between two attempts to open the stream; after a connection that held so long pauses begin anew."""
STREAM_ANSWER_S: Final = 10.0
"""For the answer to the first message, who the client is."""
SUBSCRIBE_AGAIN_S: Final = 1.0
"""Before a channel is asked for again whose state could not be read."""
CHANNEL_CHARACTERS_MAX: Final = 64
"""Of a channel's name."""
STREAM_COMMANDS_MAX: Final = 64
"""Commands of one stream that wait for their answers: as many as the gateway takes."""
GAPS_MAX: Final = 5
"""Gaps and wrong checksums of one connection; then it is given up for another."""
CLOSE_S: Final = 2.0
"""For the closing handshake of the stream."""

PAGE_SIZE: Final = 100
"""Rows that iterators fetch at a time: the most that the gateway gives."""
PAGE_WINDOW: Final = 10_000
"""Rows that numbered pages reach."""
