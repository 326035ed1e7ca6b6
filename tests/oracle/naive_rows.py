"""Rows by plain assignment in the log's order: what the last record says about a thing is what it is."""

from collections.abc import Iterable
from typing import Any

from schemas.messages import ExecutionKind, Message
from schemas.units import DAY_US
from tests.oracle.projected_history import NOTHING_HAPPENS


def naive_rows(messages: Iterable[tuple[str, str, Message]]) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    """By table and key: the row by column."""
    tables: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {
        name: {}
        for name in (
            *("orders", "executions", "trades", "positions", "balances", "ledger", "candles", "account_states"),
            *("pair_versions", "account_volumes"),
        )
    }
    for topic, _, message in messages:
        row = {name: getattr(message, name) for name in message.__struct_fields__}
        match topic:
            case "executions":
                tables["executions"][row["execution_id"], row["ts_us"]] = row
                _add_volume(tables["account_volumes"], row)
                if row["kind"] not in NOTHING_HAPPENS:
                    tables["orders"][row["order_id"],] = row
            case "trades":
                tables["trades"][row["symbol"], row["ts_us"], row["trade_id"]] = row
            case "positions":
                tables["positions"][row["account"], row["symbol"]] = row
            case "ledger":
                tables["ledger"][row["account"], row["entry_id"]] = row
                tables["balances"][row["account"], row["currency"]] = row
            case "accounts":
                tables["account_states"][row["account"],] = row
            case "control" if 0 <= row["z_score_threshold_exit_e8"] < row["z_score_threshold_entry_e8"]:
                tables["pair_versions"].setdefault((row["pair_id"], row["pair_version"]), row)
            case "candles":
                tables["candles"][row["symbol"], row["interval_s"], row["open_us"]] = row
    return tables


def _add_volume(volumes: dict[tuple[Any, ...], dict[str, Any]], row: dict[str, Any]) -> None:
    if row["kind"] == ExecutionKind.TRADE:
        account, ts_us, symbol = row["account"], row["ts_us"] // DAY_US * DAY_US, row["symbol"]
        nothing = {"account": account, "ts_us": ts_us, "symbol": symbol, "traded_e8": 0}
        volumes.setdefault((account, ts_us, symbol), nothing)["traded_e8"] += row["last_notional_e8"]
