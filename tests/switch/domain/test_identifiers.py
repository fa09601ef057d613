import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.domain.identifiers import (
    MESSAGE_CLASSES,
    PARTITION_COUNT_MAX,
    make_client_key,
    make_direct_key,
    make_idempotency_key,
    make_partition_key,
    make_rrn,
    murmur2,
    parse_rrn,
    partition_of,
    place_of,
)


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_the_hash_is_that_of_kafkas_default_partitioner(key, signed):
    assert murmur2(key) == signed & 0xFFFFFFFF


@given(st.text(), st.text(), st.integers(1, PARTITION_COUNT_MAX))
def test_a_key_always_falls_into_a_partition_that_exists(acquirer, merchant_id, count):
    assert 0 <= partition_of(make_partition_key(acquirer, merchant_id), count) < count


@given(st.integers(0, PARTITION_COUNT_MAX - 1), st.integers(0, 10**10 - 1))
def test_an_rrn_is_twelve_digits_and_gives_back_its_address(partition, offset):
    rrn = make_rrn(partition, offset)
    assert len(rrn) == 12
    assert rrn.isdecimal()
    assert parse_rrn(rrn) == (partition, offset)


def test_the_offset_wraps_inside_the_rrn():
    assert make_rrn(7, 10**10 + 3) == "070000000003"


@pytest.mark.parametrize("text", ["", "1", "0123456789ab", "0123456789012", "٠١٢٣٤٥٦٧٨٩٠١"])
def test_what_is_not_twelve_digits_is_not_ours(text):
    with pytest.raises(ValueError, match="twelve digits"):
        parse_rrn(text)


def test_a_reversal_of_the_same_stan_has_another_key():
    parts = {
        "acquirer": "a",
        "merchant_id": "m",
        "terminal_id": "t",
        "batch": "000001",
        "stan": "000123",
    }
    keys = {
        make_idempotency_key(**parts, message_class=kind) for kind in set(MESSAGE_CLASSES.values())
    }
    assert len(keys) == len(set(MESSAGE_CLASSES.values()))


def test_two_clients_may_use_the_same_idempotency_key():
    one = make_client_key(client="one", merchant_id="m", idempotency_key="k")
    two = make_client_key(client="two", merchant_id="m", idempotency_key="k")
    assert one != two


def test_a_partition_can_be_named_itself_and_no_merchant_is_taken_for_one():
    assert [place_of(make_direct_key(n), 4) for n in range(4)] == [0, 1, 2, 3]
    odd = make_partition_key("#03", "898110154110001")
    assert place_of(odd, 4) == partition_of(odd, 4)
