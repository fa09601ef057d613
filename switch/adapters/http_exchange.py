"""HTTP in the small: read a bounded body, write a JSON answer, say what is wrong (RFC 9457)."""

import json
from typing import Final

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from switch.domain.card import holds_card_number

JSON_TYPE: Final = "application/json"
PROBLEM_TYPE: Final = "application/problem+json"
PROBLEM_PREFIX: Final = "urn:payment-switch:problem:"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    What is wrong with a request, or with us (RFC 9457).

    From `reason_code` on, only where the gateway or a handler refused it, with the catalogue's
    words; `rrn` is what the request was recorded under, or the first one under its key.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[str, ...] = ()
    reason_code: str = ""
    rrn: str = ""
    money_state: str = ""
    retry: str = ""
    actor: str = ""
    message_zh: str = ""
    message_en: str = ""
    next_zh: str = ""
    next_en: str = ""


class BodyTooLarge(Exception):
    """The body is longer than this route takes."""


class ClientGone(Exception):
    """The client closed the connection, or its deadline did."""


def make_problem(status: int, kind: str, detail: str = "", errors: tuple[str, ...] = ()) -> Problem:
    """Name a problem by its kind, words joined by hyphens."""
    return Problem(
        type=PROBLEM_PREFIX + kind,
        title=kind.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        errors=errors,
    )


class ProblemRaised(Exception):
    """A request ends here, with a problem as its answer."""

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.title)
        self.problem = problem
        self.headers = headers or {}


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Write a problem as an answer."""
    return Response(
        msgspec.json.encode(problem), problem.status, headers=headers, media_type=PROBLEM_TYPE
    )


def json_response(content: object, status: int = 200) -> Response:
    """Write any msgspec-encodable value as an answer."""
    return Response(msgspec.json.encode(content), status, media_type=JSON_TYPE)


async def read_body(scope: Scope, receive: Receive, bytes_max: int) -> bytes:
    """
    Read a request's whole body.

    Raises:
        BodyTooLarge: it is longer than `bytes_max`, by its own word or in fact.
        ClientGone: the connection ended before the body did.
    """
    stated = find_header(scope, b"content-length")
    if stated.isdecimal() and int(stated) > bytes_max:
        raise BodyTooLarge
    parts: list[bytes] = []
    length = 0
    while True:
        message: Message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        part = message.get("body", b"")
        length += len(part)
        if length > bytes_max:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def find_header(scope: Scope, name: bytes) -> str:
    """Return a header's value, empty if it was not sent; the name in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def find_headers(scope: Scope, name: bytes) -> set[str]:
    """Return the different values that a header was sent with; the name in lower case."""
    return {str(value, "latin-1") for key, value in scope["headers"] if key == name}


def find_bearer(scope: Scope) -> str:
    """Return the token of `Authorization: Bearer TOKEN`, empty if there is none."""
    scheme, _, token = find_header(scope, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def send_bytes(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = JSON_TYPE.encode(),
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """Write an answer without a framework around it: the way of the hot route."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_problem(
    send: Send, problem: Problem, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Write a problem on the hot route."""
    await send_bytes(
        send, problem.status, msgspec.json.encode(problem), PROBLEM_TYPE.encode(), headers
    )


def explain_decode_error(error: Exception) -> str:
    """Say which member of a body does not fit, without its content if that may be a card number."""
    reason, _, place = str(error).partition(" - at ")
    if holds_card_number(reason):
        reason = "There is a card number where none belongs"
    member = place.strip("`").removeprefix("$").lstrip(".")
    return f"{member}: {reason}" if member else reason


class _NamedTwice(Exception):
    """An object has two members of one name, given as the only argument."""


def find_named_twice(body: bytes) -> str:
    """
    Name a member that a body has twice, empty if there is none.

    The body is JSON that was decoded into a type of ours: of two the last was taken, and whoever
    looked at it before us may have taken the first.
    """
    try:
        _decode_names(body.decode())
    except _NamedTwice as found:
        return str(found)
    return ""


def _check_names(members: list[tuple[str, object]]) -> None:
    names: set[str] = set()
    for name, _ in members:
        if name in names:
            raise _NamedTwice(name)
        names.add(name)


_decode_names: Final = json.JSONDecoder(object_pairs_hook=_check_names).decode
