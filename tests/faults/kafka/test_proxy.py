"""The fault proxy: what it passes on, holds, drops and cuts, before a scenario believes it."""

import contextlib
import os
import socket
import struct
import threading
import time

import pytest

from tests.faults.kafka.proxy import PRODUCE, Direction, Proxy, Verb

FETCH = 1
WAIT_S = 30.0
SILENCE_S = 0.3  # long enough to see that nothing comes


class Echo:
    """A server that sends back what it gets: bytes, or an answer to each Kafka request."""

    def __init__(self, *, is_framed):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.is_framed = is_framed
        self.heard = []
        self.thread = threading.Thread(target=self._accept)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _accept(self):
        threads = []
        with contextlib.suppress(OSError):
            while True:
                line, _ = self.listener.accept()
                threads.append(threading.Thread(target=self._serve, args=(line,)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _serve(self, line):
        with contextlib.suppress(OSError), line, line.makefile("rb") as file:
            while content := file.read(4) if self.is_framed else line.recv(4096):
                if self.is_framed:
                    request = file.read(int.from_bytes(content, "big"))
                    self.heard.append(request)
                    content = b"\0\0\0\x08" + request[4:8] + b"done"
                line.sendall(content)


def request(number, api_key=PRODUCE, topic=b"x-journal"):
    content = struct.pack(">hhi", api_key, 7, number) + topic
    return len(content).to_bytes(4, "big") + content


def answer(number):
    return b"\0\0\0\x08" + number.to_bytes(4, "big") + b"done"


@pytest.fixture
def make_line():
    with contextlib.ExitStack() as opened:

        def make(*, is_framed=True):
            server = Echo(is_framed=is_framed)
            opened.callback(server.close)
            proxy = opened.enter_context(Proxy(server.address, is_framed=is_framed))

            def connect():
                line = opened.enter_context(socket.create_connection(proxy.address, WAIT_S))
                line.settimeout(WAIT_S)
                return line

            return proxy, connect, server

        yield make


def read(line, size):
    content = b""
    while len(content) < size and (part := line.recv(size - len(content))):
        content += part
    return content


def is_silent(line):
    line.settimeout(SILENCE_S)
    try:
        return line.recv(1) and False
    except TimeoutError:
        return True
    finally:
        line.settimeout(WAIT_S)


def is_dead(line):
    try:
        return line.recv(1) == b""
    except ConnectionError:
        return True


def test_bytes_pass_both_ways_unchanged(make_line):
    _, connect, _ = make_line(is_framed=False)
    line = connect()
    content = os.urandom(100_000)
    threading.Thread(target=line.sendall, args=(content,)).start()
    assert read(line, len(content)) == content


def test_a_connection_knows_whose_it_is(make_line):
    proxy, connect, _ = make_line(is_framed=False)
    line = connect()
    line.sendall(b"x")
    assert read(line, 1) == b"x"
    (link,) = proxy.links
    assert link.is_of(os.getpid())
    assert not link.is_of(os.getppid())
    assert proxy.cut(pid=1) == 0
    assert proxy.cut(pid=os.getpid()) == 1
    assert is_dead(line)


def test_a_cut_ends_what_is_there_and_a_new_connection_is_taken(make_line):
    proxy, connect, _ = make_line(is_framed=False)
    first = connect()
    first.sendall(b"x")
    assert read(first, 1) == b"x"
    assert proxy.cut() == 1
    assert is_dead(first)
    second = connect()
    second.sendall(b"y")
    assert read(second, 1) == b"y"


@pytest.mark.parametrize("direction", list(Direction))
def test_a_delay_holds_one_direction_back_and_loses_nothing(make_line, direction):
    proxy, connect, server = make_line()
    line = connect()
    proxy.delay(0.3, direction)
    before = time.monotonic()
    line.sendall(request(1) + request(2))
    assert read(line, 24) == answer(1) + answer(2)
    assert 0.3 <= time.monotonic() - before < WAIT_S
    assert len(server.heard) == 2


@pytest.mark.parametrize("direction", list(Direction))
def test_what_is_held_comes_late_and_whole(make_line, direction):
    proxy, connect, server = make_line()
    line = connect()
    proxy.hold(direction)
    line.sendall(request(1))
    assert is_silent(line)
    assert len(server.heard) == (direction is Direction.TO_CLIENT)
    proxy.heal()
    assert read(line, 12) == answer(1)


@pytest.mark.parametrize("direction", list(Direction))
def test_what_is_swallowed_never_comes_and_the_connection_is_cut_when_it_heals(
    make_line, direction
):
    proxy, connect, server = make_line()
    line = connect()
    proxy.swallow(direction)
    line.sendall(request(1))
    assert is_silent(line)
    proxy.heal()
    assert is_dead(line)
    assert len(server.heard) == (direction is Direction.TO_CLIENT)


@pytest.mark.parametrize("byte_count", [0, 1, 5, 11])
def test_it_cuts_in_the_middle_of_an_answer(make_line, byte_count):
    proxy, connect, _ = make_line()
    line = connect()
    proxy.cut_after(byte_count, Direction.TO_CLIENT)
    line.sendall(request(1))
    heard = b""
    with contextlib.suppress(ConnectionError):
        heard = read(line, 12)
    assert heard in {answer(1)[:byte_count], b""}  # a reset may overtake what was written


def test_it_cuts_in_the_middle_of_a_request(make_line):
    proxy, connect, server = make_line()
    line = connect()
    proxy.cut_after(7, Direction.TO_SERVER)
    line.sendall(request(1))
    assert is_dead(line)
    assert [heard for heard in server.heard if len(heard) > 3] == []


def test_bytes_one_by_one_are_the_same_bytes(make_line):
    proxy, connect, _ = make_line()
    line = connect()
    proxy.dribble(1)
    line.sendall(request(7))
    assert read(line, 12) == answer(7)


def test_a_single_produce_answer_is_held_and_all_behind_it_but_no_other_connection(make_line):
    proxy, connect, server = make_line()
    first, second = connect(), connect()
    rule = proxy.order(Verb.HOLD)
    first.sendall(request(1) + request(2, FETCH))
    assert is_silent(first)
    assert len(server.heard) == 2, "the server did what was asked"
    second.sendall(request(3))
    assert read(second, 12) == answer(3)
    assert rule.met == 1
    proxy.heal()
    assert read(first, 24) == answer(1) + answer(2)


def test_a_single_produce_answer_is_the_end_of_its_connection(make_line):
    proxy, connect, server = make_line()
    line = connect()
    rule = proxy.order(Verb.CUT)
    line.sendall(request(1, FETCH))
    assert read(line, 12) == answer(1)
    line.sendall(request(2))
    assert is_dead(line)
    assert (rule.met, len(server.heard)) == (1, 2)


def test_a_request_is_dropped_before_the_server_hears_of_it(make_line):
    proxy, connect, server = make_line()
    line = connect()
    proxy.order(Verb.DROP, Direction.TO_SERVER)
    line.sendall(request(1) + request(2))
    assert read(line, 12) == answer(2)
    assert len(server.heard) == 1


def test_a_rule_may_be_about_one_topic_and_one_process(make_line):
    proxy, connect, _ = make_line()
    line = connect()
    other_topic = proxy.order(Verb.CUT, topic="inbound")
    other_process = proxy.order(Verb.CUT, pid=1)
    other_records = proxy.order(Verb.CUT, text="payment-routed")
    line.sendall(request(1))
    assert read(line, 12) == answer(1)
    assert (other_topic.met, other_process.met, other_records.met) == (0, 0, 0)
    mine = proxy.order(Verb.CUT, topic="journal", text="claimed", pid=os.getpid())
    line.sendall(request(2, topic=b"x-journal partition-claimed"))
    assert is_dead(line)
    assert mine.met == 1


def test_a_target_that_is_not_there_ends_the_connection(make_line):
    proxy, connect, _ = make_line()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        proxy.target = gone.getsockname()
    assert is_dead(connect())


@pytest.mark.parametrize("passes", [False, True])
def test_an_unframed_stream_ends_at_a_text_before_the_server_or_before_its_answer(
    make_line, passes
):
    proxy, connect, _ = make_line(is_framed=False)
    line = connect()
    spot = proxy.mark(b"COMMIT", passes=passes)
    line.sendall(b"begin")
    assert read(line, 5) == b"begin"
    (link,) = proxy.links
    line.sendall(b"COMMIT")
    assert is_dead(line)
    assert spot.met == 1
    assert link.passed[Direction.TO_SERVER] == 5 + 6 * passes
    assert link.passed[Direction.TO_CLIENT] == 5


def test_a_target_may_be_a_unix_socket(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with Proxy(path, is_framed=False) as proxy, socket.create_connection(proxy.address) as line:
            line.sendall(b"x")
            with listener.accept()[0] as taken:
                assert read(taken, 1) == b"x"
