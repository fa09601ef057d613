"""
A TCP proxy of our own that breaks what goes through it, on command.

It stands in front of a broker's own listener: clients follow `advertised.listeners`, so that
listener's advertised port is the proxy's. Of Kafka it knows only how messages are cut (4 bytes of
length) and numbered (api key and correlation id of a request, correlation id of an answer): enough
to hold, drop or cut at a single Produce answer.
"""

import asyncio
import contextlib
import enum
import struct
import threading
from pathlib import Path

PRODUCE = 0
GROUP_REQUESTS = (11, 12, 14, 15)  # join, heartbeat, sync, describe: what a coordinator is asked
READ_BYTES = 65_536
REMEMBERED_BYTES = 16_384  # of each request
QUEUE_COUNT_MAX = 1_000  # pieces on their way in one direction of one connection
_LENGTH = struct.Struct(">i")
_REQUEST_HEAD = struct.Struct(">hhi")  # api key, api version, correlation id
_CONTROL_TIMEOUT_S = 10.0


class Direction(enum.Enum):
    """Which way bytes go."""

    TO_SERVER = "to-server"
    TO_CLIENT = "to-client"


class Verb(enum.Enum):
    """What happens to a message that a rule is about."""

    HOLD = "hold"  # it, and all behind it on its connection, waits for `release` or a cut
    CUT = "cut"  # the connection ends instead of it
    DROP = "drop"  # it is not passed on; the connection stays


class Rule:
    """
    One order: what to do with the next `count` answers (or requests) of one kind.

    `topic` narrows it to requests that name it, `text` to those with it in their records, `pid` to
    the connections of one process. `met` counts what it was applied to.
    """

    def __init__(self, verb, direction, *, api_key=PRODUCE, topic="", text="", pid=0, count=1):
        self.verb = verb
        self.direction = direction
        self.api_key = api_key
        self.topic = topic.encode()
        self.text = text.encode()
        self.pid = pid
        self.count = count
        self.met = 0

    def applies(self, link, request):
        """Say whether this message is meant; `request` is the head of the request it belongs to."""
        if self.met >= self.count or request.api_key != self.api_key:
            return False
        is_named = self.topic in request.head and self.text in request.head
        return is_named and (not self.pid or link.is_of(self.pid))


class Spot:
    """
    A place in an unframed stream: the next piece towards the server that holds `text`.

    The connection ends there: before the server hears of it, or (`passes`) instead of its answer.
    """

    def __init__(self, text, *, passes):
        self.text = text
        self.passes = passes
        self.met = 0


class _Request:
    """What is remembered of a request until its answer has passed."""

    __slots__ = ("api_key", "correlation_id", "head")

    def __init__(self, frame):
        self.api_key, _, self.correlation_id = _REQUEST_HEAD.unpack_from(frame, _LENGTH.size)
        self.head = frame[:REMEMBERED_BYTES]  # client id, the names of topics, some records


class _Frames:
    """Cuts a stream into length-prefixed messages; each keeps its length."""

    def __init__(self):
        self._buffer = bytearray()

    def feed(self, content):
        self._buffer += content
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            yield bytes(self._buffer[:end])
            del self._buffer[:end]


class Link:
    """One connection through the proxy: a client's socket and the server's."""

    def __init__(self, proxy, reader, writer):
        self._proxy = proxy
        self._client = (reader, writer)
        self._client_port = writer.get_extra_info("peername")[1]
        self._pids = {}  # process -> whether this connection is its; looked up when it matters
        self.passed = dict.fromkeys(Direction, 0)  # bytes
        self.has_lost = False  # bytes were thrown away: it cannot go on after a heal
        self._writers = [writer]
        self._pending = {}  # requests without an answer, by correlation id
        self._held = asyncio.Event()
        self._held.set()
        self._ends_with_answer = False

    def is_of(self, pid):
        """Whether the client's end belongs to this process."""
        if pid not in self._pids:
            inode = _find_inode(self._client_port, self._proxy.port)
            self._pids[pid] = bool(inode) and _holds(pid, inode)
        return self._pids[pid]

    async def run(self):
        try:
            server = await self._proxy.dial()
        except OSError:
            self.cut()
            return
        self._writers.append(server[1])
        async with asyncio.TaskGroup() as group:
            for direction, reader, writer in (
                (Direction.TO_SERVER, self._client[0], server[1]),
                (Direction.TO_CLIENT, server[0], self._client[1]),
            ):
                queue = asyncio.Queue(QUEUE_COUNT_MAX)
                group.create_task(self._take(direction, reader, queue))
                group.create_task(self._give(direction, queue, writer))

    def cut(self):
        """End both sides at once, whatever is on its way."""
        self._held.set()
        for writer in self._writers:
            writer.transport.abort()

    def release(self):
        self._held.set()

    async def _take(self, direction, reader, queue):
        """Read one side; each piece may leave after the delay that is in force now."""
        loop, frames = asyncio.get_running_loop(), _Frames()
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(READ_BYTES):
                due = loop.time() + self._proxy.delay_s[direction]
                for piece in frames.feed(content) if self._proxy.is_framed else (content,):
                    await queue.put((due, piece))
        await queue.put((0.0, b""))

    async def _give(self, direction, queue, writer):
        """Write the other side, piece after piece, each as the faults in force allow."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                due, piece = await queue.get()
                if not piece:
                    break
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._proxy.gates[direction].wait()
                if self._proxy.is_framed and not await self._obey(direction, piece):
                    continue
                await self._held.wait()
                await self._write(direction, piece, writer)
        self.cut()

    def _meets_spot(self, direction, piece):
        """Whether the connection ends before this piece."""
        if direction is Direction.TO_CLIENT:
            return self._ends_with_answer
        for spot in self._proxy.spots:
            if not spot.met and spot.text in piece:
                spot.met = 1
                self._ends_with_answer = spot.passes
                return not spot.passes
        return False

    async def _write(self, direction, piece, writer):
        if self._meets_spot(direction, piece):
            self.cut()
            return
        if self._proxy.holes[direction]:
            self.has_lost = True
            return
        budget = self._proxy.budget_bytes[direction]
        if budget is not None:
            piece = piece[:budget]
            self._proxy.budget_bytes[direction] = budget - len(piece)
        size = self._proxy.piece_bytes or len(piece)
        for start in range(0, len(piece), max(1, size)):
            writer.write(piece[start : start + size])
            await writer.drain()
        self.passed[direction] += len(piece)
        if budget is not None and budget <= len(piece):
            self._proxy.budget_bytes[direction] = None
            self.cut()

    async def _obey(self, direction, frame):
        """Apply the first rule that is about this message; False: it is not passed on."""
        if direction is Direction.TO_SERVER:
            request = _Request(frame)
            self._pending[request.correlation_id] = request
        else:
            request = self._pending.pop(_LENGTH.unpack_from(frame, _LENGTH.size)[0], None)
        if request is None:
            return True
        for rule in self._proxy.rules:
            if rule.direction is direction and rule.applies(self, request):
                rule.met += 1
                return await self._act(rule.verb)
        return True

    async def _act(self, verb):
        if verb is Verb.CUT:
            self.cut()
        elif verb is Verb.HOLD:
            self._held.clear()
            return True
        return False


class Proxy:
    """
    Listens on a port of its own and passes everything on to `target`, from a thread of its own.

    `target` is an address, or the path of a unix socket. Every method may be called from any
    thread; each returns once it is in force.
    """

    def __init__(self, target, *, port=0, is_framed=True):
        self.target = target
        self.port = port
        self.is_framed = is_framed
        self.delay_s = dict.fromkeys(Direction, 0.0)
        self.holes = dict.fromkeys(Direction, False)
        self.budget_bytes = dict.fromkeys(Direction)
        self.piece_bytes = 0  # 0: as it comes
        self.gates = {}
        self.rules = []
        self.spots = []
        self.links = set()
        self._tasks = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")
        self._server = None

    # -- life

    def start(self):
        self._thread.start()
        self._call(self._open())
        return self

    def stop(self):
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_error):
        self.stop()

    @property
    def address(self):
        return "127.0.0.1", self.port

    async def _open(self):
        self.gates = {direction: asyncio.Event() for direction in Direction}
        for gate in self.gates.values():
            gate.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def dial(self):
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _close(self):
        self._server.close()
        self._heal()
        for link in list(self.links):
            link.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        link = Link(self, reader, writer)
        self.links.add(link)
        try:
            await link.run()
        except asyncio.CancelledError:
            pass  # the proxy stops; its server asks how this task ended, and must not be told so
        finally:
            link.cut()
            self.links.discard(link)
            self._tasks.discard(task)

    def _call(self, what):
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_CONTROL_TIMEOUT_S)

    def _do(self, act):
        async def run():
            return act()

        return self._call(run())

    # -- faults

    def cut(self, pid=0):
        """End the connections there are (of one process); new ones are taken. Return how many."""

        def act():
            found = [link for link in self.links if not pid or link.is_of(pid)]
            for link in found:
                link.cut()
            return len(found)

        return self._do(act)

    def delay(self, seconds, *directions):
        """Deliver everything so much later, in these directions (both if none is named)."""
        self._do(lambda: self.delay_s.update(dict.fromkeys(directions or Direction, seconds)))

    def hold(self, *directions):
        """Deliver nothing until `heal`; then everything, late."""
        self._do(lambda: [self.gates[each].clear() for each in directions or Direction])

    def swallow(self, *directions):
        """Throw everything away, as a broken path does; `heal` cuts what has lost bytes."""
        self._do(lambda: self.holes.update(dict.fromkeys(directions or Direction, True)))

    def cut_after(self, byte_count, direction):
        """Let so many more bytes through in one direction, then cut in the middle of a message."""
        self._do(lambda: self.budget_bytes.update({direction: byte_count}))

    def dribble(self, piece_bytes):
        """Write everything in pieces of this size; 0: as it comes."""
        self._do(lambda: setattr(self, "piece_bytes", piece_bytes))

    def order(self, verb, direction=Direction.TO_CLIENT, **about):
        """Put a rule in force; see `Rule` for what it may be about."""
        rule = Rule(verb, direction, **about)
        self._do(lambda: self.rules.append(rule))
        return rule

    def mark(self, text, *, passes):
        """Cut at a place of an unframed stream; see `Spot`."""
        spot = Spot(text, passes=passes)
        self._do(lambda: self.spots.append(spot))
        return spot

    def heal(self):
        """End every fault; what was held is delivered."""
        self._do(self._heal)

    def _heal(self):
        self.rules.clear()
        self.spots.clear()
        self.piece_bytes = 0
        for direction in Direction:
            self.delay_s[direction] = 0.0
            self.holes[direction] = False
            self.budget_bytes[direction] = None
            self.gates[direction].set()
        for link in list(self.links):
            link.release()
            if link.has_lost:
                link.cut()


def _find_inode(client_port, server_port):
    """Look up the client's socket in the kernel's table (local and remote address in hex)."""
    ends = f"0100007F:{client_port:04X}", f"0100007F:{server_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if (columns[1], columns[2]) == ends:
            return columns[9]
    return ""


def _holds(pid, inode):
    """Whether a process has this socket open."""
    wanted = f"socket:[{inode}]"
    with contextlib.suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(handle.readlink()) == wanted:
                    return True
    return False
