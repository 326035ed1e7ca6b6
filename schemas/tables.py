"""The read models in PostgreSQL: what `workers.projections` writes from the log and the gateway reads.

Every projected row is a fold of one topic and its primary key is an identity from the log, so that writing a record
again changes nothing. Money and quantities are BIGINT of 10^-8 (`_e8`), times BIGINT of microseconds since 1970 UTC
(`_us`), enums their names as TEXT. What a column means stands in `schemas/avro/`, under the same name.

`users`, `sessions` and `api_keys` belong to the gateway; all other tables are written by the projections only.
"""

import re
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
    func,
    text,
)

METADATA: Final = MetaData(naming_convention={"pk": "pk_%(table_name)s"})

REVISION: Final = "0019"
"""The migration that these tables are the result of."""

NEWEST_BY: Final = "newest_by"
"""Key of `Table.info`: the columns that say how new a row is. A row is replaced by one that is at least as new; where
they are empty, a row never changes."""

BY_TIME: Final = "RANGE (ts_us)"
"""How tables of `PARTITIONED` are divided. PostgreSQL asks for the time in their keys; a record's never changes."""

ORDER_IS_OPEN: Final = text("orders.status IN ('NEW', 'PARTIALLY_FILLED')")
"""Condition for orders that are in a book. Written out, not bound, so that the planner sees that `ix_orders_open` fits.
"""

EXECUTION_IS_OF_A_REPEATED_COMMAND: Final = text("executions.kind = 'STATUS'")
"""Condition for the answers to commands that had been sent before: they name the first one's order. Written out for
`ix_executions_repeated`."""


OFTEN_POSTED: Final = ("TRADE", "FEE")
"""Kinds of ledger entries that each fill makes; an account has few of the others among many of these."""

ENTRY_IS_SELDOM: Final = text("ledger.kind NOT IN ('TRADE', 'FEE')")
"""Condition for the others. Written out for `ix_ledger_seldom`."""


def _id(name: str, *, primary_key: bool = False, nullable: bool = False) -> Column[Any]:
    """An identity: shard << 48 | number, below 2^63."""
    return Column(name, BigInteger, primary_key=primary_key, nullable=nullable, autoincrement=False)


def _key(name: str) -> Column[Any]:
    return Column(name, Text, primary_key=True)


def _text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def _e8(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=nullable)


_us = _e8
_number = _e8


orders: Final = Table(
    "orders",
    METADATA,
    _id("order_id", primary_key=True),
    _text("account"),
    _text("client_order_id"),
    _text("symbol"),
    _text("side"),
    _text("order_type"),
    _text("time_in_force"),
    _e8("price_e8", nullable=True),
    _e8("quantity_e8"),
    _text("status"),
    _e8("leaves_e8"),
    _e8("cumulative_e8"),
    _e8("cumulative_notional_e8"),
    _text("reason"),
    _e8("limit_e8", nullable=True),
    _e8("actual_e8", nullable=True),
    _us("command_us"),
    _us("ts_us"),
    _id("execution_id"),
    _text("correlation_id", nullable=True),
    _us("expire_us", nullable=True),
    _e8("trigger_price_e8", nullable=True),
    _text("trigger_by", nullable=True),
    _e8("trail_e8", nullable=True),
    _e8("trail_rate_e8", nullable=True),
    Column("waits", Boolean, nullable=False, server_default=false()),
    _e8("display_quantity_e8", nullable=True),
    _e8("notional_e8", nullable=True),
    _id("group_id", nullable=True),
    Column("reduce_only", Boolean, nullable=False, server_default=false()),
    _text("strategy", nullable=True),
    info={NEWEST_BY: ("execution_id",)},
    comment="One row an order, refused ones included: its newest state",
)
ORDER_AGE: Final = (func.coalesce(orders.c.group_id, orders.c.order_id), orders.c.order_id)
"""What an account's orders are sorted by from the oldest on: they are of one shard, and the ids of a group's later
members lie above those of all commands."""

Index("ix_orders_account", orders.c.account, *ORDER_AGE)
Index("ix_orders_client_order_id", orders.c.account, orders.c.client_order_id)
Index(
    "ix_orders_open",
    orders.c.account,
    *ORDER_AGE,
    postgresql_where=ORDER_IS_OPEN,
)

executions: Final = Table(
    "executions",
    METADATA,
    _id("execution_id"),
    _text("kind"),
    _id("command_id", nullable=True),
    _id("order_id"),
    _text("account"),
    _text("client_order_id"),
    _text("symbol"),
    _text("side"),
    _text("order_type"),
    _text("time_in_force"),
    _e8("price_e8", nullable=True),
    _e8("quantity_e8"),
    _text("status"),
    _e8("leaves_e8"),
    _e8("cumulative_e8"),
    _e8("cumulative_notional_e8"),
    _e8("last_price_e8", nullable=True),
    _e8("last_quantity_e8", nullable=True),
    _e8("last_notional_e8", nullable=True),
    _e8("fee_e8", nullable=True),
    _text("liquidity", nullable=True),
    _id("trade_id", nullable=True),
    _text("reason"),
    _e8("limit_e8", nullable=True),
    _e8("actual_e8", nullable=True),
    _us("command_us"),
    _us("ts_us"),
    _text("correlation_id", nullable=True),
    _us("expire_us", nullable=True),
    _e8("trigger_price_e8", nullable=True),
    _text("trigger_by", nullable=True),
    _e8("trail_e8", nullable=True),
    _e8("trail_rate_e8", nullable=True),
    Column("waits", Boolean, nullable=False, server_default=false()),
    _e8("display_quantity_e8", nullable=True),
    _e8("notional_e8", nullable=True),
    _id("group_id", nullable=True),
    Column("reduce_only", Boolean, nullable=False, server_default=false()),
    _text("strategy", nullable=True),
    PrimaryKeyConstraint("execution_id", "ts_us"),
    info={NEWEST_BY: ()},
    comment="Everything that happened to orders and commands",
    postgresql_partition_by=BY_TIME,
)
# Several shards write one account's executions: time comes before the id.
Index("ix_executions_account", executions.c.account, executions.c.ts_us, executions.c.execution_id)
Index("ix_executions_order", executions.c.order_id, executions.c.execution_id)
Index("ix_executions_repeated", executions.c.command_id, postgresql_where=EXECUTION_IS_OF_A_REPEATED_COMMAND)

account_volumes: Final = Table(
    "account_volumes",
    METADATA,
    _text("account"),
    _us("ts_us"),
    _text("symbol"),
    Column("traded_e8", Numeric(38, 0), nullable=False),
    PrimaryKeyConstraint("account", "ts_us", "symbol"),
    comment="Notional of each account's fills by instrument and UTC day, which ts_us begins",
    postgresql_partition_by=BY_TIME,
)

trades: Final = Table(
    "trades",
    METADATA,
    _id("trade_id"),
    _text("symbol"),
    _e8("price_e8"),
    _e8("quantity_e8"),
    _e8("notional_e8"),
    _text("aggressor_side"),
    _id("maker_order_id"),
    _id("taker_order_id"),
    _text("maker_account"),
    _text("taker_account"),
    _us("ts_us"),
    # In the order in which they are listed, so that they need no other index.
    PrimaryKeyConstraint("symbol", "ts_us", "trade_id"),
    info={NEWEST_BY: ()},
    comment="Matches",
    postgresql_partition_by=BY_TIME,
)

positions: Final = Table(
    "positions",
    METADATA,
    _key("account"),
    _key("symbol"),
    _number("sequence"),
    _e8("quantity_e8"),
    _e8("cost_e8"),
    _e8("average_price_e8"),
    _e8("realised_e8"),
    _e8("unrealised_e8"),
    _e8("fees_e8"),
    _e8("mark_price_e8"),
    _id("trade_id", nullable=True),
    _us("ts_us"),
    _text("correlation_id", nullable=True),
    info={NEWEST_BY: ("sequence",)},
    comment="What each account holds in each instrument now",
)

balances: Final = Table(
    "balances",
    METADATA,
    _key("account"),
    _key("currency"),
    _e8("balance_e8"),
    _id("entry_id"),
    _us("ts_us"),
    info={NEWEST_BY: ("entry_id",)},
    comment="What each account has of each currency now, as its newest ledger entry says",
)

account_states: Final = Table(
    "account_states",
    METADATA,
    _key("account"),
    _number("sequence"),
    _text("status"),
    _text("reason"),
    _text("currency", nullable=True),
    _e8("limit_e8", nullable=True),
    _e8("actual_e8", nullable=True),
    _us("ts_us"),
    info={NEWEST_BY: ("sequence",)},
    comment="Whether each account may trade now, and why not",
)

ledger: Final = Table(
    "ledger",
    METADATA,
    _id("entry_id", primary_key=True),
    _text("kind"),
    _key("account"),
    _text("debit_account"),
    _text("credit_account"),
    _text("currency"),
    _e8("amount_e8"),
    _e8("balance_e8"),
    _text("symbol", nullable=True),
    _id("trade_id", nullable=True),
    _id("order_id", nullable=True),
    _text("control_id", nullable=True),
    _us("ts_us"),
    _text("correlation_id", nullable=True),
    # An account's entries are of one shard, so a larger entry_id is a newer entry. The account is first as in `trades`.
    PrimaryKeyConstraint("account", "entry_id"),
    info={NEWEST_BY: ()},
    comment="Double-entry postings",
)
Index("ix_ledger_seldom", ledger.c.account, ledger.c.entry_id, postgresql_where=ENTRY_IS_SELDOM)

candles: Final = Table(
    "candles",
    METADATA,
    _key("symbol"),
    Column("interval_s", Integer, primary_key=True, autoincrement=False),
    Column("open_us", BigInteger, primary_key=True, autoincrement=False),
    _e8("open_e8"),
    _e8("high_e8"),
    _e8("low_e8"),
    _e8("close_e8"),
    _e8("volume_e8"),
    _e8("notional_e8"),
    _number("trade_count"),
    Column("final", Boolean, nullable=False),
    _us("ts_us"),
    info={NEWEST_BY: ("final", "ts_us")},
    comment="Open, high, low, close and volume of each interval, newest state",
)

pair_versions: Final = Table(
    "pair_versions",
    METADATA,
    _key("pair_id"),
    Column("pair_version", BigInteger, primary_key=True, autoincrement=False),
    _text("symbol1"),
    _text("symbol2"),
    _e8("ratio_e8"),
    _text("pair_status"),
    _e8("z_score_threshold_entry_e8"),
    _e8("z_score_threshold_exit_e8"),
    Column("lookback_period", Integer, nullable=False),
    _text("notes", nullable=True),
    _text("control_id"),
    _us("issued_us"),
    _text("issued_by", nullable=True),
    info={NEWEST_BY: ()},
    comment="Pairs of symbols as each decision left them; of each pair the largest version is how it stands",
)

users: Final = Table(
    "users",
    METADATA,
    _key("username"),
    _text("password_hash"),
    _text("account"),
    _text("role"),
    _us("created_us"),
    _us("disabled_us", nullable=True),
    _text("totp_secret", nullable=True),
    _number("totp_step", nullable=True),
    comment="Who may log in, and for which account they act",
)

SESSION_HAS_ENDED: Final = text("sessions.revoked_us IS NOT NULL")
"""Condition for sessions that were ended before their time. Written out for `ix_sessions_revoked`."""

sessions: Final = Table(
    "sessions",
    METADATA,
    _key("session_id"),
    _text("username"),
    _text("family_hash"),
    _text("token_hash"),
    _us("created_us"),
    _us("expires_us"),
    _us("revoked_us", nullable=True),
    _text("revoked_because", nullable=True),
    comment="Logins: SHA-256 of a refresh token's family, which stays, and of its secret, which changes",
)
Index("ix_sessions_family", sessions.c.family_hash, unique=True)
Index("ix_sessions_user", sessions.c.username, sessions.c.created_us)
Index("ix_sessions_revoked", sessions.c.revoked_us, postgresql_where=SESSION_HAS_ENDED)

KEY_WAS_REVOKED: Final = text("api_keys.revoked_us IS NOT NULL")
"""Condition for API keys that are good no more. Written out for `ix_api_keys_revoked`."""

api_keys: Final = Table(
    "api_keys",
    METADATA,
    _key("key_id"),
    _text("username"),
    _text("name"),
    _text("secret_hash"),
    _text("scopes"),
    _text("addresses"),
    _us("created_us"),
    _us("revoked_us", nullable=True),
    comment="Keys of programs: SHA-256 of the secret; scopes and addresses are separated by spaces",
)
Index("ix_api_keys_user", api_keys.c.username, api_keys.c.created_us)
Index("ix_api_keys_revoked", api_keys.c.revoked_us, postgresql_where=KEY_WAS_REVOKED)

projection_offsets: Final = Table(
    "projection_offsets",
    METADATA,
    _key("topic"),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    comment="How far the rows are in each partition (topic with its prefix); epoch counts who took it over",
)

projection_retention: Final = Table(
    "projection_retention",
    METADATA,
    _key("table_name"),
    _us("kept_from_us"),
    comment="From when on rows of a partitioned table are kept: older ones were dropped and are written no more",
)

projection_dead_letters: Final = Table(
    "projection_dead_letters",
    METADATA,
    _key("source_topic"),
    Column("source_partition", Integer, primary_key=True, autoincrement=False),
    Column("source_offset", BigInteger, primary_key=True, autoincrement=False),
    _text("reason"),
    _text("detail"),
    Column("key", LargeBinary, nullable=True),
    Column("value", LargeBinary, nullable=True),
    _us("ts_us"),
    info={NEWEST_BY: ()},
    comment="Records that could not be made into rows (topic without its prefix)",
)

PROJECTED: Final = (
    orders,
    executions,
    trades,
    positions,
    balances,
    ledger,
    candles,
    account_states,
    pair_versions,
    projection_dead_letters,
    account_volumes,
)
"""What the projections write, beside `projection_offsets`."""

FOLDED: Final = tuple(table for table in PROJECTED if NEWEST_BY in table.info)
"""Those of them whose rows are records. The others' are sums over rows of `executions`, counted when those are new."""

PARTITIONED: Final = (executions, trades, account_volumes)
"""Those of them that are divided by `ts_us`, a partition for each month; see `workers.projections.partitions`."""

PARTITION_NAME: Final = re.compile(rf"({'|'.join(table.name for table in PARTITIONED)})_(\d{{4}})_(\d\d)")
"""A partition's name: table, year, month."""
