"""Ask a broker which brokers it knows: Kafka's protocol, as little of it as that takes."""

import socket
import struct
from typing import Final

from .security import BROKER, Access

TIMEOUT_S: Final = 2.0
_METADATA: Final = (3, 1)  # (api key, version)
_SASL_HANDSHAKE: Final = (17, 1)
_SASL_AUTHENTICATE: Final = (36, 0)
_ANSWER_BYTES_MIN: Final = 4  # the correlation
_ANSWER_BYTES_MAX: Final = 1_048_576


def find_brokers(port: int, access: Access) -> frozenset[int]:
    """
    Return the ids of the brokers that the one at this loopback port counts as alive.

    Empty: it does not answer, or does not let us in.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as plain:
            if access.tls is None:
                return _ask(plain, access)
            with access.tls.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
                return _ask(wrapped, access)
    except (OSError, struct.error):
        return frozenset()


def _ask(connection: socket.socket, access: Access) -> frozenset[int]:
    if access.password:
        _exchange(connection, _SASL_HANDSHAKE, _text("PLAIN"))
        proof = f"\0{BROKER}\0{access.password}".encode()
        _exchange(connection, _SASL_AUTHENTICATE, struct.pack(">i", len(proof)) + proof)
    no_topics = struct.pack(">i", 0)
    return _read_broker_ids(_exchange(connection, _METADATA, no_topics))


def _exchange(connection: socket.socket, api: tuple[int, int], body: bytes) -> bytes:
    head = struct.pack(">hhih", *api, 0, -1)  # correlation 0, no client id
    connection.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
    (size,) = struct.unpack(">i", _read(connection, 4))
    if not _ANSWER_BYTES_MIN <= size <= _ANSWER_BYTES_MAX:
        raise ConnectionError("that is no Kafka")
    return _read(connection, size)[_ANSWER_BYTES_MIN:]


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ConnectionError("the broker hung up")
        found += part
    return found


def _read_broker_ids(answer: bytes) -> frozenset[int]:
    (count,) = struct.unpack_from(">i", answer)
    at = 4
    ids = set()
    for _ in range(count):
        node_id, host_size = struct.unpack_from(">ih", answer, at)
        at += 6 + host_size + 4  # the port
        (rack_size,) = struct.unpack_from(">h", answer, at)
        at += 2 + max(0, rack_size)
        ids.add(node_id)
    return frozenset(ids)


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()
