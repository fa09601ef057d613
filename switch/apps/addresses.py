"""Where a running instance can be reached: sockets bound early, and `DIR/addresses.json`."""

import contextlib
import errno
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from switch.apps.settings_section import ENVIRONMENT_PREFIX

ADDRESSES_FILE: Final = "addresses.json"
_PORT_MAX: Final = 65_535


class AddressUnusable(Exception):
    """A listener cannot be opened; the message says why and what to do."""

    def __init__(self, message: str, *, is_busy: bool = False) -> None:
        super().__init__(message)
        self.is_busy = is_busy


def parse_address(text: str) -> tuple[str, int]:
    """
    Split `name:port`, `1.2.3.4:port` or `[::1]:port`.

    Raises:
        ValueError: it is none of them.
    """
    name, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdecimal() or int(port) > _PORT_MAX:
        raise ValueError(f"{text!r} is not an address; write it like 127.0.0.1:8583")
    return name.strip("[]") or "127.0.0.1", int(port)


def format_address(name: str, port: int) -> str:
    """Join what `parse_address` splits."""
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def bind_listener(setting: str, address: str) -> socket.socket:
    """
    Bind a listening socket, before anything slow is started.

    Args:
        setting: the setting that holds the address, for the message.
        address: `name:port`; port 0 picks a free one.

    Raises:
        AddressUnusable: busy, not ours, or not an address.
    """
    try:
        name, port = parse_address(address)
        family = socket.AF_INET6 if ":" in name else socket.AF_INET
        return socket.create_server((name, port), family=family, backlog=1)
    except (ValueError, OSError) as error:
        variable = ENVIRONMENT_PREFIX + setting.replace(".", "__").upper()
        remedy = f"choose another with {variable}=127.0.0.1:PORT (port 0 picks a free one)"
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise AddressUnusable(
                f"{address} ({setting}) is in use by another program, perhaps another `switch up`;"
                f" stop that one (`ss -ltnp 'sport = :{port}'` names it), or {remedy}",
                is_busy=True,
            ) from error
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AddressUnusable(f"cannot listen on {address} ({setting}): {reason}; {remedy}") from (
            error
        )


def bound_address(bound: socket.socket) -> str:
    """Say where a bound socket listens."""
    name, port = bound.getsockname()[:2]
    return format_address(name, port)


def write_addresses(directory: Path, addresses: Mapping[str, object]) -> None:
    """Write `addresses.json`, whole or not at all."""
    aside = directory / f".{ADDRESSES_FILE}.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(addresses, out, indent=2)
        out.write("\n")
    aside.replace(directory / ADDRESSES_FILE)


def read_addresses(directory: Path) -> dict[str, str | int] | None:
    """Return what a running instance wrote; None if none says that it can be asked."""
    try:
        found = json.loads((directory / ADDRESSES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def remove_addresses(directory: Path) -> None:
    """Remove `addresses.json`; it is fine if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        (directory / ADDRESSES_FILE).unlink()
