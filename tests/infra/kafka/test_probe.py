import socket
import struct
import threading

import pytest

from infra.kafka.probe import find_brokers
from infra.kafka.security import Access

PLAIN = Access()


def answer_once(listener, answer):
    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(1_000)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert find_brokers(port, PLAIN) == frozenset()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n", b"", struct.pack(">i", 3)])
def test_what_is_no_kafka_is_no_broker(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = answer_once(listener, answer)
        assert find_brokers(listener.getsockname()[1], PLAIN) == frozenset()
        thread.join()


def test_a_broker_with_a_rack_and_one_without_are_both_read(monkeypatch):
    monkeypatch.setattr("infra.kafka.probe.TIMEOUT_S", 30.0)
    brokers = struct.pack(">iih1si", 2, 7, 1, b"h", 9) + struct.pack(">h3s", 3, b"one")
    brokers += struct.pack(">ih1sih", 8, 1, b"h", 9, -1)
    answer = struct.pack(">i", 0) + brokers
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = answer_once(listener, struct.pack(">i", len(answer)) + answer)
        assert find_brokers(listener.getsockname()[1], PLAIN) == {7, 8}
        thread.join()


@pytest.mark.kafka
def test_a_real_broker_names_itself(kafka_bootstrap, monkeypatch):
    monkeypatch.setattr("infra.kafka.probe.TIMEOUT_S", 30.0)
    assert find_brokers(int(kafka_bootstrap.rpartition(":")[2]), PLAIN) == {1}
