import json
from typing import Any

from gateway.stream.snapshots import _ORDER, _POSITION, merge


def order(order_id: str, execution_id: int, status: str, **more: Any) -> dict[str, Any]:
    return (
        dict.fromkeys(_ORDER.names) | {"order_id": order_id, "execution_id": str(execution_id), "status": status} | more
    )


def frame(order_id: str, execution_id: int, status: str, kind: str = "trade") -> bytes:
    return json.dumps(order(order_id, execution_id, status) | {"kind": kind, "command_id": None}).encode()


def test_the_newest_state_of_each_order_wins() -> None:
    known = [order("1", 10, "new"), order("2", 20, "partially_filled"), order("3", 30, "new")]
    merged = merge(
        "orders",
        known,
        [
            frame("1", 9, "new", "new"),
            frame("2", 21, "filled"),
            frame("4", 22, "new", "new"),
            frame("4", 23, "partially_filled"),
            frame("3", 99, "unknown", "cancel_rejected"),
            frame("5", 24, "rejected", "rejected"),
        ],
    )
    assert [(row["order_id"], row["execution_id"], row["status"]) for row in merged] == [
        ("1", "10", "new"),
        ("3", "30", "new"),
        ("4", "23", "partially_filled"),
    ]
    assert all(row.keys() == set(_ORDER.names) for row in merged)


def test_the_newest_state_of_each_position_wins() -> None:
    def position(symbol: str, sequence: int) -> dict[str, Any]:
        return dict.fromkeys(_POSITION.names) | {"symbol": symbol, "sequence": sequence}

    merged = merge(
        "positions",
        [position("A", 3), position("B", 3)],
        [json.dumps(position("A", 2)).encode(), json.dumps(position("B", 4)).encode()],
    )
    assert [(row["symbol"], row["sequence"]) for row in merged] == [("A", 3), ("B", 4)]
