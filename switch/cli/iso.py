"""`switch iso`: read, write and explain ISO 8583 messages; card data masked unless asked for."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from switch.codec import Description, Dialect, Message
    from switch.codec.framing import Prefix

_INPUT_BYTES_MAX = 1 << 20  # a capture of many frames; a message has some hundred bytes
_F = TypeVar("_F", bound="Callable[..., Any]")


@click.group()
def iso() -> None:
    """Read, write and explain ISO 8583 messages."""


def _message_options(function: _F) -> _F:
    """Options that decode and describe share."""
    for option in (
        click.argument("message", required=False),
        click.option(
            "--raw", is_flag=True, help="MESSAGE, or standard input, is the bytes, not hex."
        ),
        click.option("--framed", is_flag=True, help="A length goes before each message."),
        click.option(
            "--prefix",
            type=click.Choice(["binary-2", "ascii-4", "binary-2-zero-2"]),
            help="The length's form; without it, the dialect's own.",
        ),
        _dialect_option,
    ):
        function = option(function)
    return function


_dialect_option = click.option(
    "--dialect", "dialect_name", default="unionpay-pos", show_default=True, help="Which dialect."
)


@iso.command(short_help="A message's elements by name, as JSON.")
@_message_options
@click.option(
    "--format", "form", type=click.Choice(["json", "table"]), default="json", show_default=True
)
@click.option("--clear", is_flag=True, help="Show card data and secrets too (JSON only).")
def decode(
    *,
    message: str | None,
    raw: bool,
    framed: bool,
    prefix: Prefix | None,
    dialect_name: str,
    form: str,
    clear: bool,
) -> None:
    """
    Decode MESSAGE (or standard input) to its elements by name.

    A TPDU and header before the message are passed over. With --clear the output is what
    `switch iso encode` reads.
    """
    if clear and form == "table":
        raise click.UsageError("--clear goes with --format json")
    dialect = _load(dialect_name)
    for found in _read_messages(message, dialect, raw=raw, prefix=_pick(dialect, framed, prefix)):
        if form == "table":
            click.echo(_describe(found, dialect))
        else:
            shown = {"mti": found.mti, "fields": _show_fields(found, dialect, clear=clear)}
            click.echo(json.dumps(shown, ensure_ascii=False, indent=2))


@iso.command(short_help="A message explained for people, masked.")
@_message_options
@click.option(
    "--format", "form", type=click.Choice(["json", "table"]), default="table", show_default=True
)
def describe(
    *,
    message: str | None,
    raw: bool,
    framed: bool,
    prefix: Prefix | None,
    dialect_name: str,
    form: str,
) -> None:
    """Explain MESSAGE (or standard input): elements, their parts and chip tags, masked."""
    import msgspec

    dialect = _load(dialect_name)
    for found in _read_messages(message, dialect, raw=raw, prefix=_pick(dialect, framed, prefix)):
        description = _describe(found, dialect)
        if form == "json":
            click.echo(msgspec.json.format(msgspec.json.encode(description), indent=2).decode())
        else:
            click.echo(str(description))


@iso.command(short_help="Write a message from JSON.")
@click.argument("message", required=False)
@_dialect_option
@click.option("--framed", is_flag=True, help="Put the length before it (and TPDU and header).")
@click.option(
    "--prefix",
    type=click.Choice(["binary-2", "ascii-4", "binary-2-zero-2"]),
    help="The length's form; without it, the dialect's own.",
)
@click.option("--tpdu", default="6000000000", show_default=True, help="TPDU, if the link has one.")
@click.option("--header", default="603100311003", show_default=True, help="Header, likewise.")
@click.option("--raw", is_flag=True, help="Write the bytes, not hex.")
def encode(
    *,
    message: str | None,
    dialect_name: str,
    framed: bool,
    prefix: Prefix | None,
    tpdu: str,
    header: str,
    raw: bool,
) -> None:
    """
    Encode MESSAGE (or standard input): JSON with "mti" and "fields".

    Elements go by their standard names; binary ones are given in hex.
    """
    from switch.codec import CodecError
    from switch.codec.framing import frame_bytes

    dialect = _load(dialect_name)
    text = message if message is not None else _read_stdin().decode("utf-8", "replace")
    try:
        wire = dialect.encode(_parse_json(text, dialect))
    except CodecError as e:
        raise click.ClickException(str(e)) from None
    length_form = _pick(dialect, framed, prefix)
    if length_form is not None:
        if dialect.table.link.transport == "tpdu-header":
            wire = _parse_hex(tpdu, 5, "--tpdu") + _parse_hex(header, 6, "--header") + wire
        wire = frame_bytes(length_form, wire)
    click.echo(wire if raw else wire.hex().upper(), nl=not raw)


def _load(name: str) -> Dialect:
    from switch.codec import DialectError, load_dialect

    try:
        return load_dialect(name)
    except DialectError as e:
        raise click.BadParameter(str(e), param_hint="--dialect") from None


def _pick(dialect: Dialect, framed: bool, prefix: Prefix | None) -> Prefix | None:
    """Give the form of the length that goes before messages, or None."""
    return prefix or (dialect.table.link.prefix if framed else None)


def _read_messages(
    text: str | None, dialect: Dialect, *, raw: bool, prefix: Prefix | None
) -> list[Message]:
    """Take the input apart into messages and decode them."""
    from switch.codec import CodecError
    from switch.codec.framing import FrameError, Framer
    from switch.codec.tpdu import split_transport

    given = text.encode("utf-8", "surrogateescape") if text is not None else _read_stdin()
    wire = given if raw else _parse_hex(given.decode("latin-1"), None, "MESSAGE")
    try:
        frames = [wire]
        if prefix is not None:
            framer = Framer(prefix)
            frames = [frame for frame in framer.receive_data(wire) if frame]
            if framer.is_inside_frame:
                raise click.ClickException("the input ends inside a frame")
        if dialect.table.link.transport == "tpdu-header":
            # no message type of the dialect begins with 60, so this is a TPDU and nothing else
            frames = [
                split_transport(frame).message if frame[:1] == b"\x60" else frame
                for frame in frames
            ]
        return [dialect.decode(frame) for frame in frames]
    except (CodecError, FrameError) as e:
        hint = "" if prefix else _hint_at_length(wire, dialect)
        raise click.ClickException(f"{e}{hint}") from None


def _hint_at_length(wire: bytes, dialect: Dialect) -> str:
    """Whole frames are what captures and documents show; say what they need."""
    size = int.from_bytes(wire[:2], "big")
    if dialect.table.link.prefix == "binary-2" and size == len(wire) - 2:
        return " (the input begins with its own length: --framed)"
    return ""


def _read_stdin() -> bytes:
    given = sys.stdin.buffer.read(_INPUT_BYTES_MAX + 1)
    if len(given) > _INPUT_BYTES_MAX:
        raise click.ClickException(f"more than {_INPUT_BYTES_MAX} bytes of input")
    return given


def _parse_hex(text: str, size: int | None, where: str) -> bytes:
    """Read hex; blanks and line ends are passed over. Says nothing of the content."""
    try:
        wire = bytes.fromhex(text)
    except ValueError:
        raise click.BadParameter(
            "not hex (for bytes as they are: --raw)", param_hint=where
        ) from None
    if size is not None and len(wire) != size:
        raise click.BadParameter(f"not {size} bytes", param_hint=where)
    return wire


def _parse_json(text: str, dialect: Dialect) -> Message:
    """Read a message in JSON; an error says which element, not what was in it."""
    import msgspec

    from switch.codec import Message

    class Given(msgspec.Struct, forbid_unknown_fields=True):
        mti: str
        fields: dict[str, str]

    try:
        given = msgspec.json.decode(text, type=Given)
    except msgspec.DecodeError as e:
        raise click.BadParameter(str(e), param_hint="MESSAGE") from None
    fields: dict[str, str | bytes] = {}
    for name, value in given.fields.items():
        spec = dialect.specs.get(name)
        is_binary = spec is not None and spec.is_binary
        fields[name] = _parse_hex(value, None, name) if is_binary else value
    return Message(given.mti, fields)


def _show_fields(message: Message, dialect: Dialect, *, clear: bool) -> dict[str, str]:
    from switch.codec.describe import show_value

    if clear:
        return {
            n: v.hex().upper() if isinstance(v, bytes) else v for n, v in message.fields.items()
        }
    return {n: show_value(dialect, dialect.specs[n], v) for n, v in message.fields.items()}


def _describe(message: Message, dialect: Dialect) -> Description:
    from switch.codec import describe as describe_message

    return describe_message(message, dialect)
