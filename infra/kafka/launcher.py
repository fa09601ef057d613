"""
Start, stop and look at one real Kafka broker on this machine, without Docker.

    python infra/kafka/launcher.py start [--dir DIR] [--port 29092]
    python infra/kafka/launcher.py status [--dir DIR]
    python infra/kafka/launcher.py stop [--dir DIR]
    python infra/kafka/launcher.py clean [--dir DIR]    stop it and forget all its records

Needs java (17 or later) and, the first time, mvn, which fetches Kafka (44 MB) from Maven Central.
The jars are kept in $SWITCH_KAFKA_LIBS, else in payment-switch/ of the user's cache folder; DIR is
payment-switch/broker there if it is not given.
"""

import argparse
import base64
import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
DEFAULT_PORT: Final = 29092
START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 15.0
TOOLS: Final = {
    "java": "a Java 17 runtime, for example: apt install openjdk-17-jre-headless",
    "mvn": "Maven, which fetches Kafka, for example: apt install maven",
}
FORMAT_FLAGS: Final = ("-Xmx64m", "-XX:TieredStopAtLevel=1")
BROKER_FLAGS: Final = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
API_VERSIONS_REQUEST: Final = struct.pack(">ihhih", 10, 18, 0, 1, -1)  # any broker answers it

Report = Callable[[str], None]


class KafkaLaunchError(Exception):
    """The broker does not run; the message says why and what to do."""


def print_progress(line: str) -> None:
    """Tell a person what is being waited for."""
    print(line, file=sys.stderr, flush=True)


def find_missing_tools() -> list[str]:
    """Return a sentence for each tool that is needed and not installed."""
    needed = ["java"] if _libs_folder().is_dir() else list(TOOLS)
    return [f"{name} is missing: {TOOLS[name]}" for name in needed if shutil.which(name) is None]


def fetch_libs(report: Report = print_progress) -> Path:
    """
    Return the folder with Kafka's jars; fetch them first if this is the first time.

    Several processes may ask at once: one fetches, the others wait. The folder appears whole.

    Raises:
        KafkaLaunchError: a tool is missing or the download failed.
    """
    libs = _libs_folder()
    if libs.is_dir():
        return libs
    if missing := find_missing_tools():
        raise KafkaLaunchError("\n".join(missing))
    libs.parent.mkdir(parents=True, exist_ok=True)
    with _locked(libs.with_suffix(".lock")):
        if libs.is_dir():
            return libs
        report("fetching Kafka (44 MB) with mvn, once ...")
        with tempfile.TemporaryDirectory(dir=libs.parent) as folder:
            fetched = Path(folder) / "libs"
            _run_maven(fetched, report)
            fetched.rename(libs)
    report(f"Kafka is in {libs}")
    return libs


def _libs_folder() -> Path:
    if named := os.environ.get("SWITCH_KAFKA_LIBS"):
        return Path(named)
    digest = hashlib.sha256((HERE / "pom.xml").read_bytes()).hexdigest()[:12]
    return _cache_folder() / f"kafka-{digest}"


def _cache_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "payment-switch"


def _run_maven(folder: Path, report: Report) -> None:
    command = ["mvn", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
    command.append(f"-DoutputDirectory={folder}")
    tail: list[str] = []
    copied_count = 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as maven:
        assert maven.stdout is not None
        for line in maven.stdout:
            tail = [*tail[-14:], line.rstrip()]
            if "Downloading from" in line and line.rstrip().endswith(".jar"):
                report(f"  fetching {line.rstrip().rsplit('/', 1)[-1]}")
            copied_count += "Copying " in line
    if maven.returncode or not copied_count:
        raise KafkaLaunchError("mvn could not fetch Kafka:\n" + "\n".join(tail))
    report(f"  {copied_count} jars")


class KafkaNode:
    """One broker with its folder; `port` 0 takes the port it had before, else a free one."""

    def __init__(self, directory: Path, *, port: int = 0, report: Report = print_progress) -> None:
        self.directory = directory.resolve()
        self._report = report
        state = self._read_state()
        self.port = port or int(state.get("port", 0)) or _find_free_port()
        self._controller_port = int(state.get("controller_port", 0)) or _find_free_port()

    @property
    def bootstrap(self) -> str:
        """The broker's address, host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id of the running broker, None if it does not run."""
        state = self._read_state()
        pid = int(state.get("pid", 0))
        return pid if pid and _process_start(pid) == state.get("process_start") else None

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """
        Start the broker unless it runs; return when it answers.

        Raises:
            KafkaLaunchError: it does not; the message holds its last words.
        """
        libs = fetch_libs(self._report)
        self.directory.mkdir(parents=True, exist_ok=True)
        with _locked(self.directory / "lock"):
            if (pid := self.pid) is not None:
                self.port = int(self._read_state()["port"])
                self._report(f"Kafka runs already, process {pid}, at {self.bootstrap}")
                return
            self._check_port_free()
            self._write_properties()
            if not (self.directory / "data" / "meta.properties").exists():
                self._format(libs)
            pid = self._launch(libs)
            self._await_answer(pid, time.monotonic() + timeout_s)
        self._report(f"Kafka answers at {self.bootstrap}, process {pid}, in {self.directory}")

    def stop(self) -> None:
        """Stop the broker that was started here, and only that one."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        give_up_at = time.monotonic() + STOP_TIMEOUT_S
        while self._is_alive(pid):
            if time.monotonic() > give_up_at:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def kill(self) -> None:
        """End the broker at once, as a crash would."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            while self._is_alive(pid):
                time.sleep(0.01)

    def remove(self) -> None:
        """Stop the broker and forget all its records; leaves a folder alone that is not its own."""
        self.stop()
        if self._read_state():
            shutil.rmtree(self.directory)

    def _is_alive(self, pid: int) -> bool:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # ours: let it end for good
        return self.pid == pid

    def _check_port_free(self) -> None:
        for port in (self.port, self._controller_port):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise KafkaLaunchError(
                        f"port {port} is taken by another program: choose one with --port"
                        " (make kafka KAFKA_PORT=NUMBER)"
                    ) from error

    def _write_properties(self) -> None:
        template = (HERE / "server.properties.template").read_text()
        text = template.format(
            port=self.port,
            controller_port=self._controller_port,
            data=self.directory / "data",
        )
        (self.directory / "server.properties").write_text(text)

    def _format(self, libs: Path) -> None:
        self._report("formatting the broker's storage ...")
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._java(libs, FORMAT_FLAGS)
        # `=`: an id may begin with a dash
        command += ["kafka.tools.StorageTool", "format", "--standalone", f"-t={cluster_id}"]
        command += ["-c", str(self.directory / "server.properties")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KafkaLaunchError(f"cannot format the storage:\n{done.stdout}{done.stderr}")

    def _launch(self, libs: Path) -> int:
        self._report(f"starting Kafka at {self.bootstrap} ...")
        command = self._java(libs, BROKER_FLAGS)
        command += ["kafka.Kafka", str(self.directory / "server.properties")]
        with (self.directory / "kafka.log").open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the starting shell must not stop it
            )
        process.returncode = 0  # it outlives this program on purpose: no warning about that
        state = {
            "pid": process.pid,
            "process_start": _process_start(process.pid),
            "port": self.port,
            "controller_port": self._controller_port,
        }
        (self.directory / "kafka.json").write_text(json.dumps(state))
        return process.pid

    def _java(self, libs: Path, flags: tuple[str, ...]) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        return ["java", *flags, logging, "-cp", f"{libs}/*"]

    def _await_answer(self, pid: int, give_up_at: float) -> None:
        while not _answers(self.port):
            if not self._is_alive(pid):
                raise KafkaLaunchError(f"Kafka ended at once:\n{self._last_words()}")
            if time.monotonic() > give_up_at:
                raise KafkaLaunchError(f"Kafka does not answer:\n{self._last_words()}")
            time.sleep(0.1)

    def _last_words(self) -> str:
        path = self.directory / "kafka.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-15:])

    def _read_state(self) -> dict[str, int]:
        try:
            state: dict[str, int] = json.loads((self.directory / "kafka.json").read_text())
        except (OSError, ValueError):
            return {}
        return state


def serve_while(node: KafkaNode, pid: int) -> None:
    """Run the broker as long as another process lives, then stop it and remove its folder."""
    is_stopped = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal is_stopped
        is_stopped = True

    signal.signal(signal.SIGTERM, stop)
    started = _process_start(pid)
    try:
        node.start()
        (node.directory / "ready").write_text(node.bootstrap)
        while not is_stopped and _process_start(pid) == started:
            time.sleep(0.25)
    finally:
        node.remove()


def _process_start(pid: int) -> int | None:
    """Return when a process started, which tells it from a later one with its id; None if gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        thread_count = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return None
    # The first thread is a zombie at once, but while others end the ports are still taken.
    is_gone = fields[0] == "Z" and thread_count <= 1
    return None if is_gone else int(fields[19])


def _find_free_port() -> int:
    """Pick a port below those that outgoing connections get, so that none takes it meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 (no secret)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(API_VERSIONS_REQUEST)
            return len(connection.recv(4)) > 0
    except OSError:
        return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(description="One real Kafka broker on this machine.")
    parser.add_argument("command", choices=("start", "stop", "status", "clean", "serve"))
    parser.add_argument("--dir", type=Path, default=_cache_folder() / "broker")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: any free port")
    parser.add_argument("--while-pid", type=int, help="serve: stop when this process has ended")
    options = parser.parse_args(arguments)
    is_starting = options.command in ("start", "serve")
    node = KafkaNode(options.dir, port=options.port if is_starting else 0)
    try:
        if options.command == "start":
            node.start()
            print(node.bootstrap)
        elif options.command == "serve":
            serve_while(node, options.while_pid)
        elif options.command == "stop":
            node.stop()
        elif options.command == "clean":
            node.remove()
        else:
            print(f"running at {node.bootstrap}, process {node.pid}" if node.pid else "not running")
            return 0 if node.pid else 3
    except KafkaLaunchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
