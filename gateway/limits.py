"""Every limit of the gateway, in one place: what a client can make grow is bounded here."""

from typing import Final

# Requests
BODY_BYTES_MAX: Final = 16_384
"""Largest request body; beyond it 413."""
DRAIN_BYTES_MAX: Final = 4_194_304
"""So much of a body that is too large is read and thrown away before the answer; then the connection is closed."""
BODY_TIMEOUT_S: Final = 10.0
"""A whole body must have arrived by then; beyond it 408."""
SHOWN_CHARACTERS_MAX: Final = 100
"""So much of a value that is refused is shown in the answer."""
HEADER_BYTES_MAX: Final = 16_384
"""Request line and headers together; beyond it 431."""
HEADER_TIMEOUT_S: Final = 10.0
"""Headers must have arrived by then; beyond it the connection is closed."""
KEEP_ALIVE_S: Final = 75
"""An idle HTTP connection is kept for so long."""
CONNECTIONS_MAX: Final = 12_000
"""Open connections of one process, HTTP and WebSocket; beyond it new ones are closed at once."""
CONNECTIONS_PER_ADDRESS: Final = 500
"""Open HTTP connections of one address that is no trusted proxy; beyond it new ones are closed at once."""
BACKLOG: Final = 2_048
"""Connections the kernel holds while the process is busy."""
SHUTDOWN_S: Final = 5
"""Requests under way get so long to finish when the process is told to stop."""

# Lists
PAGE_SIZE_DEFAULT: Final = 20
PAGE_SIZE_MAX: Final = 100
PAGE_WINDOW_MAX: Final = 10_000
"""Rows of a list that pages reach; `total` stops counting there."""
ROWS_SEARCHED_MAX: Final = 20_000
"""Rows of an account that one request looks through for a filter that has no index: an index more would halve what the
projections can write."""
CANDLES_MAX: Final = 1_000
"""Most candles of one answer."""
BOOK_DEPTH_DEFAULT: Final = 20
BOOK_DEPTH_MAX: Final = 5_000
BOOKS_KEPT_BYTES_MAX: Final = 33_554_432
"""Answers with a book that are kept until it changes; those that were made longest ago go first."""

# Orders
CLIENT_ORDER_ID_MAX: Final = 64
BATCH_ORDERS_MAX: Final = 50
"""Orders of one request."""
SYMBOL_CHARACTERS_MAX: Final = 32
CANCEL_AFTER_S_MAX: Final = 86_400
"""Longest dead man's timer, as pre-trade risk takes it."""
WAIT_MS_MAX: Final = 10_000
"""`?wait=`: longest wait for the first execution."""
COMMANDS_IN_FLIGHT_MAX: Final = 10_000
"""Commands handed to the broker and not yet acknowledged; beyond it 503."""
ORDERS_IN_FLIGHT_MAX: Final = 5_000
"""From so many on new orders are refused, so that cancels still find room."""
RISK_LAG_S: Final = 5
"""Where pre-trade risk is further behind with an account's shard, its new orders are refused; RISK_LAG_S changes it. A
worker that is started again is back in less."""
RISK_LOOK_S: Final = 0.25
"""Between two looks at where risk is."""
RISK_RETRY_S_MAX: Final = 10
"""Most that `Retry-After` asks for then."""
BROKER_SILENCE_S: Final = 2.0
"""A broker that leaves a question without an answer for so long, and for ANSWER_MS, counts as down: commands are
refused at once."""
RETRY_AFTER_S: Final = 1
"""What a 503 asks clients to wait."""
EXECUTIONS_REMEMBERED: Final = 20_000
"""Newest answers to commands, kept for those who ask just after they came."""
WAITERS_MAX: Final = 10_000
"""Requests that wait for an execution at a time; beyond it 503."""

# Decisions
DECISIONS_WAITING_MAX: Final = 8
"""Decisions of one process that wait for the log; beyond it 503."""
DECIDE_S: Final = 5.0
"""A decision stands in the log, and was read back, by then; beyond it the outcome is unknown."""
MEND_S: Final = 1.0
"""Between two looks whether a decision that came late undid another, or two tries to mend that."""
MEND_TRIES: Final = 90
"""Longer than a transaction that is on its way can still be committed."""
MENDING_MAX: Final = 64
"""Decisions that are looked after so; of more at a time nobody but whoever decided looks how they came out."""
TIMETABLE_PHASES_MAX: Final = 20
"""Phases of a day, in a timetable."""
HOLIDAYS_MAX: Final = 400
"""Dates that a timetable leaves out."""
PAIRS_MAX: Final = 1_000
"""Pairs of symbols that were not taken away."""

# Repeated requests
IDEMPOTENCY_S: Final = 86_400
"""The answer to a request with an Idempotency-Key is kept for so long."""
IDEMPOTENCY_PENDING_S: Final = 60
"""A request that never ended, because its gateway did, keeps others with its key out for so long."""

# Rates
QUERY_BYTES_MAX: Final = 4_096
QUERY_PARAMETERS_MAX: Final = 32
"""Of a request's target; beyond either 414."""
GZIP_BYTES_MIN: Final = 1_400
"""An answer that fits into one packet is not made smaller."""
GZIP_LEVEL: Final = 4
RATE_CALLERS_MAX: Final = 50_000
"""Callers whose tokens one process remembers; those that were quiet for longest are forgotten first."""
RATE_AHEAD_PART: Final = 50
"""At most this part of a budget, a fiftieth, is taken ahead by one process."""
RATE_LEASE_S: Final = 1.0
"""For so long what was taken ahead may be used."""
RATE_LOCAL_PART: Final = 4
"""Without the store of rates each process gives this part of a budget, a quarter."""
RATE_ASK_S: Final = 0.1
"""The store of rates answers within so long, or counts as away."""
RATE_ASK_AGAIN_S: Final = 1.0
"""A store of rates that was away is asked again after so long."""

# Identity
USERNAME_MAX: Final = 64
PASSWORD_MIN: Final = 12
"""Shortest new password."""
PASSWORD_MAX: Final = 256
TOKEN_BYTES_MAX: Final = 2_048
TOKENS_REMEMBERED: Final = 10_000
"""Verified tokens whose claims are kept until they expire."""
HASH_THREADS: Final = 2
HASH_NICENESS: Final = 19
"""Of these threads: the event loop goes before them."""
HASH_WAITING_MAX: Final = 64
"""Logins waiting for a hash thread; beyond it 503."""
LOGIN_WINDOW_S: Final = 300
LOGIN_FAILURES_PER_USER: Final = 10
LOGIN_FAILURES_PER_IP: Final = 50
ENROLMENT_MAX: Final = 256
"""Characters of an enrolment."""
CODE_WINDOW_S: Final = 86_400
CODE_FAILURES_PER_USER: Final = 20
"""Wrong codes of a user, with the right password, in a day; beyond it 429. Of a million codes two are good."""
TICKET_S: Final = 30
"""A WebSocket ticket is good once, for so long."""
SESSION_S: Final = 30 * 86_400
"""After so long a login cannot be refreshed any more."""
SESSIONS_PER_HOUR: Final = 600
"""Successful logins of one user; beyond it 429. It bounds what is kept of sessions that were ended."""
REFRESH_TOKEN_CHARACTERS_MAX: Final = 128
API_KEYS_PER_USER: Final = 20
"""Keys of one user that were not revoked."""
API_KEYS_PER_HOUR: Final = 100
"""Keys that one user makes; beyond it 429. It bounds what is kept of keys that were revoked."""
API_KEY_NAME_MAX: Final = 64
API_KEY_ADDRESSES_MAX: Final = 16
"""Addresses and networks in a key's list, and addresses remembered of those it was used from."""
API_KEYS_REMEMBERED: Final = 10_000
API_KEY_LOOKUPS_MAX: Final = 4
API_KEY_LOOKUPS_PER_ADDRESS: Final = 2
"""Keys looked up at a time that this process does not know; beyond either 503. So they keep few connections busy."""
API_KEY_FAILURES_PER_ADDRESS: Final = 50
"""Wrong keys of an address in LOGIN_WINDOW_S; beyond it 429 for keys that this process does not know."""
API_KEYS_WRONG_REMEMBERED: Final = 10_000
"""A key that is wrong once is so for ever; it is not looked up again."""
SIGNING_KEYS_PER_ACCOUNT: Final = 10
SIGNING_KEY_CHANGES_PER_DAY: Final = 100
"""Registrations and revocations of one account: each is a record that every stage reads."""
REVOCATION_POLL_S: Final = 1.0
"""A session that was ended at another process, or by the operator, ends here within so long."""
REVOCATION_OVERLAP_S: Final = 60
"""Each look for sessions that were ended reaches back so far again, for those that were written late."""
REVOCATION_ROWS: Final = 5_000
"""Read at a time, so that each answer comes in time however many there are."""
REVOCATION_STALE_S: Final = 10.0
"""A gateway that could not look for so long says that it is not ready."""

# Stream
WS_CONNECTIONS_MAX: Final = 10_000
WS_CONNECTIONS_PER_ACCOUNT: Final = 50
WS_CONNECTIONS_PER_ADDRESS: Final = 200
"""Of an address as it is told to the gateway, by the proxy too; that of the gateway's own host is not limited."""
WS_SUBSCRIPTIONS_PER_ADDRESS: Final = 5_000
"""Channels of all connections of an address."""
WS_MESSAGE_BYTES_MAX: Final = 16_384
"""Largest message from a client; beyond it close code 1009."""
WS_SUBSCRIPTIONS_MAX: Final = 200
"""Channels of one connection."""
WS_ORDERS_IN_FLIGHT_MAX: Final = 64
"""Commands of one connection that wait for the broker."""
WS_AUTH_ATTEMPTS_MAX: Final = 3
"""Refused tokens of one connection; then it is closed."""
WS_CONFLATE_FRAMES: Final = 200
WS_CONFLATE_BYTES: Final = 524_288
"""Where so much waits for one client, its books and tickers are told by their newest state only."""
WS_QUEUE_FRAMES_MAX: Final = 2_000
WS_QUEUE_BYTES_MAX: Final = 4_194_304
"""What may wait for one client; at either limit it is disconnected with 4008."""
WS_SEND_BUFFER_BYTES: Final = 262_144
"""The kernel's send buffer of one WebSocket connection."""
WS_LAST_WORDS_S: Final = 1.0
"""What was queued for a client that is sent away has so long to leave; then it is given up."""
WS_ABORT_S: Final = 5.0
"""A client that was told to go and does not read is cut off then."""
WS_PING_S: Final = 20.0
RING_FRAMES_PER_CHANNEL: Final = 1_000
"""Newest frames of a channel from which a client can resume."""
RING_FRAMES_MAX: Final = 200_000
RING_BYTES_MAX: Final = 134_217_728
"""Frames of all channels kept for resuming; the oldest go first."""
REPLAY_FRAMES_MAX: Final = 10_000
REPLAY_BYTES_MAX: Final = 16_777_216
"""What one client that resumes is given from the log; beyond either it gets a snapshot."""
REPLAY_S: Final = 5.0
"""For reading it."""
REPLAYS_AT_ONCE: Final = 4
REPLAYS_WAITING_MAX: Final = 64
"""Clients that resume from the log at a time, those that wait included; beyond it 503."""
REPLAYS_PER_ADDRESS: Final = 8
"""Of these for one address that is not this host's."""
REPLAY_SEND_S: Final = 60.0
"""A client must have taken all of it by then; beyond it it is disconnected as one that is too slow."""
TRADES_IN_SNAPSHOT: Final = 50
ORDERS_IN_SNAPSHOT: Final = 1_000

# Dependencies
ANSWER_MS: Final = 850
"""For the broker's acknowledgement of a command, and the answer of PostgreSQL or Valkey; beyond it 503. ANSWER_MS
changes it."""
ANSWER_MARGIN_S: Final = 0.05
"""PostgreSQL ends a query by itself after ANSWER_MS; so much later nobody waits for it, or for Valkey, any more."""
DB_CONNECTIONS: Final = 8
DB_WAITING_MAX: Final = 256
"""Queries running or waiting for a connection; beyond it 503."""
DB_WAIT_S: Final = 2.0
"""For PostgreSQL to take a connection; who asks does not wait so long, those after him find it."""
DB_CHANGE_S: Final = 4.0
"""For what an operator changes with several queries and, maybe, the hash of a password; as long as for one at least."""
DB_KEEPALIVE_S: Final = 5
"""A connection that is idle for so long is probed, and so much time between two probes; after two it counts as lost."""
BREAKER_FAILURES: Final = 3
"""After so many failures in a row PostgreSQL or Valkey is not asked for a while."""
BREAKER_OPEN_S: Final = 1.0
"""For so long; then one asks."""
VALKEY_CONNECTIONS: Final = 16
HEALTH_TIMEOUT_S: Final = 1.0
"""A dependency that has not answered by then counts as down."""
HEALTH_REMEMBERED_S: Final = 1.0
"""What was found of the dependencies answers all probes for so long."""
IDENTITY_DB_CONNECTIONS: Final = 4
"""For logins, sessions, keys and users, beside those of lists."""
UPKEEP_DB_CONNECTIONS: Final = 2
UPKEEP_VALKEY_CONNECTIONS: Final = 1
"""For probes and for what the gateway must know, beside those of users: they stand in no queue."""
