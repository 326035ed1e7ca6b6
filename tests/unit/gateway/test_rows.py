from gateway.rows import Renderer
from schemas.tables import orders

ROW = {
    "order_id": 281474976710656,
    "account": "alice",
    "client_order_id": "12345",
    "symbol": "BTC-USD",
    "side": "BUY",
    "order_type": "LIMIT",
    "time_in_force": "GTC",
    "price_e8": 4_321_050_000_000,
    "quantity_e8": 1_500_000,
    "status": "PARTIALLY_FILLED",
    "leaves_e8": 500_000,
    "cumulative_e8": 1_000_000,
    "cumulative_notional_e8": 43_210_500_000,
    "reason": "NONE",
    "limit_e8": None,
    "actual_e8": None,
    "command_us": 1_700_000_000_000_000,
    "ts_us": 1_700_000_000_000_001,
    "execution_id": 9,
    "correlation_id": None,
    "expire_us": 1_700_000_000_000_000,
    "trigger_price_e8": 4_321_000_000_000,
    "trigger_by": "MARK",
    "trail_e8": None,
    "trail_rate_e8": None,
    "waits": False,
}


def test_a_row_is_said_in_the_words_of_clients() -> None:
    render = Renderer(orders)
    row = tuple(ROW[column.name] for column in render.columns)
    assert render(row) == {  # type: ignore[arg-type] # a row is a tuple here
        "order_id": "281474976710656",
        "account": "alice",
        "client_order_id": "12345",
        "symbol": "BTC-USD",
        "side": "buy",
        "order_type": "limit",
        "time_in_force": "gtc",
        "price": "43210.5",
        "quantity": "0.015",
        "status": "partially_filled",
        "leaves": "0.005",
        "cumulative": "0.01",
        "cumulative_notional": "432.105",
        "reason": "NONE",
        "limit": None,
        "actual": None,
        "command_time": "2023-11-14T22:13:20.000000Z",
        "time": "2023-11-14T22:13:20.000001Z",
        "execution_id": "9",
        "correlation_id": None,
        "expire_time": "2023-11-14T22:13:20.000000Z",
        "trigger_price": "43210",
        "trigger_by": "mark",
        "trail": None,
        "trail_rate": None,
        "waits": False,
    }
