"""Mistakes in who is let in at the gateway."""

from typing import Final

from tests.mutations.mutation import Mutation

PASSWORDS = "gateway/auth/passwords.py"
REVOCATIONS = "gateway/auth/revocations.py"
TOKENS = "gateway/auth/tokens.py"
TOKEN_KEYS = "gateway/auth/token_keys.py"
CALLERS = "gateway/auth/callers.py"

RIGHTS = "gateway/rights.py"

KEYS = "gateway/auth/keys.py"

TOTP = "gateway/auth/totp.py"
ENROLMENT = "gateway/auth/enrolment.py"

LOOKUPS = "gateway/auth/lookups.py"

SIGNING = "gateway/auth/signing_keys.py"
PAIRS = "gateway/pairs/pairs.py"
PAIR_ROUTES = "gateway/pairs/routes.py"
DECISIONS = "gateway/decisions.py"
REPEATS = "gateway/idempotency.py"
ADMIN = "gateway/admin/desk.py"
ADMIN_ROUTES = "gateway/admin/routes.py"
SESSION_ROUTES = "gateway/admin/sessions.py"

GATEWAY_MUTATIONS: Final = (
    Mutation("an unknown user costs nothing", PASSWORDS, "password_hash or NOBODY", 'password_hash or ""'),
    Mutation("an unknown user has a password", PASSWORDS, "_WRONG if password_hash is None else verdict", "verdict"),
    Mutation("an old hash stays", PASSWORDS, "HASHER.hash(password) if is_old else None", "None"),
    Mutation("logins wait without a limit", PASSWORDS, "if self._waiting >= limits.HASH_WAITING_MAX:", "if False:"),
    Mutation("all are let in before the first look", REVOCATIONS, "if not self._is_known:", "if False:"),
    Mutation("an ended session goes on", CALLERS, "        self._revocations.require(identity.session_id)\n", ""),
    Mutation("a connection outlives its session", REVOCATIONS, "                end()\n", "                pass\n"),
    Mutation("ended sessions are kept", REVOCATIONS, "            del self._ended[oldest]", "            return"),
    Mutation("a token of any kind is an access token", TOKENS, ' or claims["typ"] != KIND', ""),
    Mutation("a token is good before its time", TOKENS, "begins_s > now_s or ", ""),
    Mutation("a token chooses its algorithm", TOKENS, "[key.algorithm]", '[key.algorithm, "HS256", "HS512", "none"]'),
    Mutation("a token of another key is taken", TOKEN_KEYS, "        if key is None:\n", "        if False:\n"),
    Mutation("a remembered token never ends", TOKENS, "elif remembered[1] <= self._clock():", "elif False:"),
    Mutation(
        "a shorter expiry revives ended sessions", TOKENS, 'int(claims["iat"]) + self._expiry_s', 'int(claims["exp"])'
    ),
    Mutation("a bug ends the looks for ended sessions", REVOCATIONS, "except Exception:", "except RecursionError:"),
    Mutation("everybody may do everything", RIGHTS, "    if right not in rights:", "    if False:"),
    Mutation("viewers trade", RIGHTS, "frozenset({Right.READ, Right.SESSION})", "frozenset(Right)"),
    Mutation("everybody sees all orders", RIGHTS, '"orders": Right.READ', '"orders": EVERYBODY'),
    Mutation("a key is good from everywhere", KEYS, "if not is_in(address, known.networks):", "if False:"),
    Mutation("a key outlives its revocation", KEYS, "session_id, known.forget)", "session_id, print)"),
    Mutation("a key has all rights of its user", KEYS, " & ROLES[row.role]", " | ROLES[row.role]"),
    Mutation("a key gives what its maker lacks", KEYS, "missing := rights - identity.rights", "missing := set()"),
    Mutation("wrong keys are looked up again", LOOKUPS, "if key in self._wrong:", "if False:"),
    Mutation("an address shows any number of wrong keys", LOOKUPS, "        if not granted:", "        if False:"),
    Mutation("right keys count", LOOKUPS, "        else:\n            self._failures.give_back(address)\n", ""),
    Mutation("an address looks up all it wants", LOOKUPS, " or not self._places.take(address, 1, most)", ""),
    Mutation("a code is good for a minute more", TOTP, "STEPS_BACK: Final = 1", "STEPS_BACK: Final = 3"),
    Mutation("a code must be typed at once", TOTP, "STEPS_BACK: Final = 1", "STEPS_BACK: Final = 0"),
    Mutation("an enrolment is good in every session", ENROLMENT, "session {identity.session_id} of", "session of"),
    Mutation("an enrolment is good for everybody", ENROLMENT, " of {identity.username}", ""),
    Mutation("who has codes is enrolled again", ENROLMENT, "user is not None and user.totp_secret", "False and user"),
    Mutation(
        "any code confirms",
        ENROLMENT,
        "        if step is None:\n            raise ApiError(Code.VAL",
        "        if False:\n            raise ApiError(Code.VAL",
    ),
    Mutation("a secret is anybody's", TOTP, "secret, username.encode())).hex()", 'secret, b"")).hex()'),
    Mutation("signing keys without a limit", SIGNING, ">= limits.SIGNING_KEYS_PER_ACCOUNT", "> 1_000_000"),
    Mutation("a signing key is replaced", SIGNING, " or keys.get(key_id, public_key) != public_key", ""),
    Mutation(
        "a signing key of others is revoked", SIGNING, "if key_id not in self._keys.get(identity.account, {}):", "if 0:"
    ),
    Mutation("a signing key stays", SIGNING, "            keys.pop(key_id, None)\n", "            pass\n"),
    Mutation("viewers cancel", RIGHTS, '"order.cancel_all": Right.TRADE', '"order.cancel_all": Right.READ'),
    Mutation(
        "the second of two changes of a pair counts", PAIRS, "control.pair_version > (", "control.pair_version >= ("
    ),
    Mutation(
        "who came second is told that he changed the pair", PAIRS, "        if made is None:", "        if False:"
    ),
    Mutation("a pair that was taken away is changed", PAIRS, " or pair.newest.pair_status is DELETED", ""),
    Mutation("a change needs no version", PAIR_ROUTES, "        if if_match is None:", "        if False:"),
    Mutation("pairs without a limit", PAIRS, ">= limits.PAIRS_MAX", "> 1_000_000"),
    Mutation("a decision is answered before it counts", DECISIONS, "                await read_back\n", ""),
    Mutation("decisions wait for a log that is away", DECISIONS, "if not self._is_up():", "if False:"),
    Mutation("another request has the answer", REPEATS, "if entry.fingerprint != fingerprint:", "if False:"),
    Mutation("a refusal is the answer for a day", REPEATS, "if reply.status not in _SUCCESS:", "if False:"),
    Mutation("an answer lost is a decision made again", REPEATS, "if key is None or request", "if True or request"),
    Mutation("admins are heard from everywhere", CALLERS, "if right in FOR_ADMINS and not", "if False and not"),
    Mutation("a deposit without its key's memory", ADMIN, "if not self.decided.gate.knows(first):", "if True:"),
    Mutation("who undid something is not told", ADMIN, "raise ApiError(Code.CONFLICT,", "ApiError(Code.CONFLICT,"),
    Mutation(
        "decisions are checked by the log alone",
        ADMIN,
        "if error := self.decided.gate.error(",
        "if error := (lambda _: None)(",
    ),
    Mutation("a timetable has room without end", ADMIN, "self.decided.require_room(controls", "print(controls"),
    Mutation("what has been stays planned", SESSION_ROUTES, "return time.time_ns() // 1_000", "return 0"),
    Mutation("one halt is that of one symbol", SESSION_ROUTES, "names, [body.step()]", "names[:1], [body.step()]"),
    Mutation("a timetable is of any order", SESSION_ROUTES, "        require_order(timetable)\n", ""),
    Mutation("strategies of others are listed", ADMIN_ROUTES, "if account in {None, names[0]}", "if True"),
    Mutation(
        "a withdrawal deposits", ADMIN_ROUTES, "move(identity, token, body, -1)", "move(identity, token, body, 1)"
    ),
)
