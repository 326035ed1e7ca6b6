from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.units import (
    E8,
    INT64_MAX,
    INT64_MIN,
    NUMBER_MAX,
    RISK_BIT,
    TIME_US_MAX,
    UnitError,
    fee_e8,
    format_e8,
    format_us,
    make_id,
    notional_e8,
    parse_e8,
    parse_us,
    split_id,
)

INT64 = st.integers(INT64_MIN, INT64_MAX)
POSITIVE = st.integers(1, INT64_MAX)


@given(value=INT64)
@example(value=INT64_MIN)
@example(value=-1)
def test_a_number_comes_back_from_its_text(value: int) -> None:
    assert parse_e8(format_e8(value)) == value


@given(value=INT64)
def test_the_text_is_the_shortest_plain_decimal_of_the_number(value: int) -> None:
    text = format_e8(value)
    with localcontext(prec=40):
        assert Decimal(text) * E8 == value
    assert "e" not in text.lower()
    assert not (text.endswith(("0", ".")) and "." in text)


@given(
    text=st.from_regex(r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,8})?", fullmatch=True, alphabet=st.characters(codec="ascii"))
)
def test_any_plain_decimal_is_exact(text: str) -> None:
    assert parse_e8(text) == Decimal(text) * E8


@given(text=st.text(max_size=30))
def test_whatever_else_is_refused_in_a_sentence(text: str) -> None:
    try:
        value = parse_e8(text)
    except UnitError as error:
        sentence = str(error)
        assert "is not a plain decimal number" in sentence or "is too large" in sentence
    else:
        assert INT64_MIN <= value <= INT64_MAX


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "1.",
        ".5",
        "01",
        "1e3",
        "1E400",
        "NaN",
        "Infinity",
        "-",
        "1,5",
        "0x1",
        "1_000",
        "1.123456789",
        "\u0661",
    ],
)
def test_what_other_parsers_take_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="is not a plain decimal number with at most 8 decimals, such as"):
        parse_e8(text)


@pytest.mark.parametrize("text", ["92233720368.54775808", "-92233720368.54775809", "9" * 19, "9" * 40])
def test_what_does_not_fit_in_64_bits_is_too_large(text: str) -> None:
    with pytest.raises(UnitError, match=r"is too large: at most 92233720368\.54775807"):
        parse_e8(text)


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("2023-11-14T22:13:20.000001Z", 1_700_000_000_000_001),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000_000),
        ("9999-12-31T23:59:59.999999Z", TIME_US_MAX),
    ],
)
def test_a_time_is_read_to_the_microsecond(text: str, time_us: int) -> None:
    assert parse_us(text) == time_us
    assert parse_us(format_us(time_us)) == time_us


@pytest.mark.parametrize(
    "text", ["2023-11-14T22:13:20", "2023-11-14", "20231114T221320Z", "tomorrow", "", "1700000000"]
)
def test_a_time_names_its_offset(text: str) -> None:
    with pytest.raises(UnitError, match="is not a time with its offset, such as 2030-01-31T12:00:00Z"):
        parse_us(text)


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(UnitError) as caught:
        parse_e8("9" * 1_000_000)
    assert len(str(caught.value)) < 200


@given(price=POSITIVE, quantity=POSITIVE)
def test_a_notional_is_the_product_rounded_down(price: int, quantity: int) -> None:
    exact = Decimal(price) * quantity / E8 if price * quantity < 10**27 else None
    notional = notional_e8(price, quantity)
    assert notional * E8 <= price * quantity < (notional + 1) * E8
    assert exact is None or notional == int(exact)


@given(value=POSITIVE, rate=st.integers(0, E8))
def test_a_fee_is_the_fraction_rounded_up(value: int, rate: int) -> None:
    fee = fee_e8(value, rate)
    assert (fee - 1) * E8 < value * rate <= fee * E8
    assert fee <= value


@given(shard=st.integers(0, 1023), number=st.integers(0, NUMBER_MAX))
def test_an_id_says_where_to_look_and_fits_in_64_bits(shard: int, number: int) -> None:
    identity = make_id(shard, number)
    assert split_id(identity) == (shard, number)
    assert 0 <= identity <= INT64_MAX


@given(shard=st.integers(0, 1023), number=st.integers(0, RISK_BIT - 1))
def test_ids_of_risk_and_of_the_book_differ(shard: int, number: int) -> None:
    assert make_id(shard, RISK_BIT | number) != make_id(shard, number)
    assert split_id(make_id(shard, RISK_BIT | number))[0] == shard


@given(ts_us=st.integers(0, 4_102_444_800_000_000))
def test_a_time_comes_back_from_its_text(ts_us: int) -> None:
    text = format_us(ts_us)
    moment = datetime.fromisoformat(text)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert text.endswith("Z")
    assert len(text) == len("1970-01-01T00:00:00.000000Z")
    assert (moment - epoch).days * 86_400_000_000 + (moment - epoch).seconds * 1_000_000 + moment.microsecond == ts_us
