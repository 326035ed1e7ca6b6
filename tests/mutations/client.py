"""Mistakes in the rules of the client."""

from typing import Final

from tests.mutations.mutation import Mutation

RULES = "tradsys/client/rules.py"
SESSION = "tradsys/client/session.py"
COMMANDS = "tradsys/client/commands.py"
STREAM = "tradsys/client/stream.py"
THREADS = "tradsys/client/streaming.py"
CHANNELS = "tradsys/client/channels.py"
ORDERS = "tradsys/client/order_calls.py"
REQUESTS = "tradsys/client/requests.py"
LISTINGS = "tradsys/client/listings.py"
WIRE = "tradsys/client/wire.py"

CLIENT_MUTATIONS: Final = (
    Mutation(
        "an amendment is repeated", ORDERS, "body=as_json(changes), is_repeatable=False)", "body=as_json(changes))"
    ),
    Mutation("cancel all is repeated", ORDERS, "query=narrowed, is_repeatable=False)", "query=narrowed)"),
    Mutation("a refresh is repeated", SESSION, "        is_repeatable=False,\n", ""),
    Mutation("a refresh token is used twice", RULES, "                session.drop_refresh_token()\n", ""),
    Mutation("a lost order is said not to be placed", RULES, "may_be_done and call.changes and not", "False and not"),
    Mutation("a lost order is forgotten", RULES, "may_be_done or happened in {", "happened in {"),
    Mutation("an order that was not sent is unknown", RULES, "_UNKNOWN if error.was_sent else _PASSES", "_UNKNOWN"),
    Mutation("a repetition does not wait", ORDERS, "patient_s = max(wait_s, WAIT_S)", "patient_s = wait_s"),
    Mutation("Retry-After is not heeded", RULES, "max(backoff_s, asked_s or 0.0)", "backoff_s"),
    Mutation("pauses do not grow", RULES, "min(2 * backoff_s, limits.BACKOFF_MAX_S)", "backoff_s"),
    Mutation("patience has no end", RULES, "or means.clock_s() + pause_s >= ends_s", ""),
    Mutation(
        "a token that is refused is not replaced", RULES, "                refused = token\n", "                raise\n"
    ),
    Mutation("a refresh ahead of time holds others up", RULES, "if token is None else 0.0", "if True else 0.0"),
    Mutation("a token that is refused is sent again", SESSION, "if token == refused or is_over", "if is_over"),
    Mutation("numbers have exponents", REQUESTS, 'format(value, "f")', "str(value)"),
    Mutation("floats are sent", REQUESTS, "if not isinstance(value, Decimal):", "if False:"),
    Mutation("rows come twice", LISTINGS, "if self._identity(row) not in self._seen", "if True"),
    Mutation("a correlation id is lost", WIRE, "envelope.correlation_id or answer", "answer"),
    Mutation("checksums are not compared", CHANNELS, "own != heard.checksum", "False"),
    Mutation("missing messages are not noticed", CHANNELS, "heard.sequence != self.sequence + 1", "False"),
    Mutation(
        "updates count before the snapshot",
        CHANNELS,
        "            if self.awaits_snapshot:\n",
        "            if False:\n",
    ),
    Mutation("trades are told twice", CHANNELS, "if int(trade.trade_id) > self._last_trade", "if True"),
    Mutation("a stream does not go on where it was", STREAM, "if channel.sequence is not None:", "if False:"),
    Mutation(
        "a gap is not made good",
        STREAM,
        "                yield Say(self._ask(channel))\n\n",
        "                pass\n\n",
    ),
    Mutation("gaps without end", STREAM, "if self._gaps > limits.GAPS_MAX:", "if False:"),
    Mutation("a token ends its connection", STREAM, "            if self._token != before:", "            if False:"),
    Mutation(
        "a refused key is tried for ever",
        STREAM,
        "or not self._session.can_renew:\n                raise error",
        "or False:\n                raise error",
    ),
    Mutation("unanswered orders are forgotten", STREAM, "yield from self._commands.lost(lost.why)", "pass"),
    Mutation("a stream at its end forgets orders", STREAM, "yield from self._commands.lost(str(error))", "pass"),
    Mutation(
        "a stream at its end stays connected",
        STREAM,
        "            yield Hang()\n            yield from",
        "            yield from",
    ),
    Mutation(
        "a stream at its end takes orders",
        STREAM,
        "        finally:\n            self._is_open = False\n",
        "        finally:\n            pass\n",
    ),
    Mutation(
        "an order of another thread is forgotten",
        THREADS,
        "            with self._lock:\n                return self._steps",
        "            if True:\n                return self._steps",
    ),
    Mutation(
        "a stream that was closed opens", THREADS, "            self._hang()  # of what", "            pass  # of what"
    ),
    Mutation(
        "pauses grow though orders are answered",
        STREAM,
        "channel is not None or command is not None",
        "channel is not None",
    ),
    Mutation("pauses grow though connections hold", STREAM, "- opened_s >= limits.STREAM_BACKOFF_MAX_S", "< opened_s"),
    Mutation("an order is told of twice", COMMANDS, "self._waiting.pop(request_id)", "self._waiting[request_id]"),
    Mutation("commands wait without end", COMMANDS, "if len(self._waiting) >= ", "if 0 > "),
)
