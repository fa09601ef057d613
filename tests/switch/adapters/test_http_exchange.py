from typing import Literal

import msgspec
import pytest

from switch.adapters.http_exchange import (
    BodyTooLarge,
    ClientGone,
    explain_decode_error,
    find_bearer,
    find_header,
    find_headers,
    find_named_twice,
    make_problem,
    problem_response,
    read_body,
)


def scope(**headers):
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http", "headers": pairs}


def parts(*messages):
    left = list(messages)

    async def receive():
        return left.pop(0)

    return receive


def part(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_in_parts_is_one_body():
    assert await read_body(scope(), parts(part(b"a", more=True), part(b"b")), 2) == b"ab"


async def test_a_body_that_says_it_is_too_large_is_not_even_read():
    with pytest.raises(BodyTooLarge):
        await read_body(scope(content_length="3"), parts(), 2)


async def test_a_body_that_lies_about_its_length_is_cut_off():
    with pytest.raises(BodyTooLarge):
        await read_body(scope(), parts(part(b"aa", more=True), part(b"b", more=True)), 2)


async def test_a_client_that_leaves_is_told_from_an_empty_body():
    with pytest.raises(ClientGone):
        await read_body(scope(), parts({"type": "http.disconnect"}), 2)


def test_headers_are_found_by_name():
    assert find_header(scope(idempotency_key="k"), b"idempotency-key") == "k"
    assert find_header(scope(), b"idempotency-key") == ""
    assert find_bearer(scope(authorization="Bearer  t ")) == "t"
    assert find_bearer(scope(authorization="Basic t")) == ""


def test_a_problem_is_rfc_9457():
    response = problem_response(make_problem(422, "registry-refused", "no", ("a: b",)))
    assert response.media_type == "application/problem+json"
    assert msgspec.json.decode(response.body) == {
        "type": "urn:payment-switch:problem:registry-refused",
        "title": "Registry refused",
        "status": 422,
        "detail": "no",
        "errors": ["a: b"],
    }


def test_a_decode_error_names_the_member():
    class Shape(msgspec.Struct):
        number: int

    for body, want in (
        (b'{"number": "x"}', "number: Expected"),
        (b"{", "Input data was truncated"),
    ):
        with pytest.raises(msgspec.MsgspecError) as caught:
            msgspec.json.decode(body, type=Shape)
        assert explain_decode_error(caught.value).startswith(want)


@pytest.mark.parametrize("body", [b'{"6200000000000005": 1}', b'{"kind": "6200000000000005"}'])
def test_a_decode_error_shows_no_card_number(body):
    class Shape(msgspec.Struct, forbid_unknown_fields=True):
        kind: Literal["a"] = "a"

    with pytest.raises(msgspec.MsgspecError) as caught:
        msgspec.json.decode(body, type=Shape)
    assert "6200000000000005" in str(caught.value)
    assert "6200000000000005" not in explain_decode_error(caught.value)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"{}", ""),
        (b'{"a": 1, "b": {"a": 2}}', ""),
        (b'{"a": 1, "\\u0061": 2}', "a"),
        (b'{"b": {"a": 1, "a": 1}}', "a"),
    ],
)
def test_a_member_that_is_there_twice_is_named(body, name):
    assert find_named_twice(body) == name


def test_the_values_of_a_header_are_those_that_differ():
    sent = {"type": "http", "headers": [(b"a", b"1"), (b"b", b"2"), (b"a", b"1"), (b"a", b"3")]}
    assert find_headers(sent, b"a") == {"1", "3"}
