import pytest

from workers.shell.endings import Exit, WorkerError
from workers.shell.settings import Settings, from_environment


def test_an_empty_environment_gives_the_defaults() -> None:
    assert from_environment({}) == Settings()


def test_the_environment_rules() -> None:
    environment = {
        "KAFKA_BOOTSTRAP": "broker:9092",
        "TRADSYS_PREFIX": "shadow.",
        "TRADSYS_SHARDS": "12",
        "METRICS_PORT": "9101",
        "LOG_LEVEL": "warning",
        "SNAPSHOT_RECORDS": "10",
        "STALL_TIMEOUT_S": "60",
        "ACCEPT_BEHAVIOUR_CHANGE": "1",
    }
    assert from_environment(environment) == Settings(
        bootstrap="broker:9092",
        prefix="shadow.",
        shards=12,
        metrics_port=9101,
        log_level="WARNING",
        snapshot_records=10,
        stall_timeout_s=60,
        accept_behaviour_change=True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRADSYS_SHARDS", "0"),
        ("TRADSYS_SHARDS", "4.0"),
        ("TRADSYS_SHARDS", "\u0664"),
        ("METRICS_PORT", "65536"),
        ("SNAPSHOT_RECORDS", "-1"),
        ("ACCEPT_BEHAVIOUR_CHANGE", "yes"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_value_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(WorkerError, match=f"{name} is ") as refused:
        from_environment({name: value})
    assert refused.value.code is Exit.UNUSABLE
