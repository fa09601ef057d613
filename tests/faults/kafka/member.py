"""One process of the switch that a scenario starts, stops, kills and freezes by its id."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from switch.demo.tour_instance import wait_for
from tests.faults.stand import until

STOP_TIMEOUT_S = 20.0
READY_TIMEOUT_S = 60.0
SHOWN_LINES = 15
ROOT = Path(__file__).resolve().parents[3]


class Member:
    """A process with a data folder of its own, in a process group of its own."""

    def __init__(self, folder, name, arguments, environment):
        self.name = name
        self.folder = folder / name
        self.data_dir = self.folder / "data"
        self.output = self.folder / "output.log"
        self.environment = environment
        self.is_frozen = False
        self.is_wanted = False  # a supervisor starts it again if it ends
        self.start_count = 0
        self._arguments = [*arguments, "--data", str(self.data_dir)]
        self._process = None
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self):
        return self._process.pid if self._process else 0

    @property
    def is_running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self):
        return self._process.poll() if self._process else None

    # -- life

    def start(self):
        """Start it; do not wait."""
        assert not self.is_running, f"{self.name} runs"
        (self.data_dir / "addresses.json").unlink(missing_ok=True)  # of one that was killed
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                cwd=ROOT,
                start_new_session=True,
            )
        self.is_wanted = True
        self.start_count += 1
        return self

    def kill(self):
        """SIGKILL of the whole group, as a machine that loses power."""
        self.is_wanted = self.is_frozen = False
        self._signal_group(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def stop(self):
        """SIGTERM; return the exit code once it has ended by itself."""
        self.is_wanted = False
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                said = self.last_words()
                self.kill()
                raise AssertionError(f"{self.name} does not stop:\n{said}") from None
        return self.exit_code

    def freeze(self):
        """SIGSTOP of every process of the group; return when none of them runs any more."""
        self.is_frozen = True
        self._signal_group(signal.SIGSTOP)
        until(lambda: _read_state(self.pid) == "T", f"{self.name} stands still")

    def thaw(self):
        self._signal_group(signal.SIGCONT)
        self.is_frozen = False

    @contextlib.contextmanager
    def frozen(self):
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def _signal_group(self, number):
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    # -- what it says

    @property
    def addresses(self):
        """Where it listens; empty while it is not ready."""
        try:
            return json.loads((self.data_dir / "addresses.json").read_bytes())
        except (OSError, ValueError):
            return {}

    def address(self, listener):
        name, _, port = str(self.addresses.get(listener, ":0")).rpartition(":")
        return name, int(port)

    def wait_listening(self):
        """Wait until it has said where it listens."""
        until(self._has_begun, lambda: f"{self.name} is there:\n{self.last_words()}")
        return self

    def _has_begun(self):
        assert self.is_running, f"{self.name} ended with {self.exit_code}:\n{self.last_words()}"
        return self.addresses

    def ask(self, method, path, body=None, headers=None, timeout_s=5):
        """Return status and body (decoded if it is JSON); (0, reason) if nobody answers."""
        connection = http.client.HTTPConnection(*self.address("http"), timeout=timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            content = response.read()
        except OSError as error:
            return 0, repr(error)
        finally:
            connection.close()
        is_json = "json" in response.headers.get("content-type", "")
        return response.status, json.loads(content) if is_json else content.decode()

    def ask_operator(self, method, path, body=None):
        token = (self.data_dir / "keys" / "operator.token").read_text().strip()
        return self.ask(method, path, body, {"Authorization": f"Bearer {token}"})

    def readiness(self):
        return self.ask("GET", "/readyz")

    def is_ready(self):
        return self.readiness()[0] == 200

    def wait_ready(self, within_s=READY_TIMEOUT_S):
        """Wait until it says itself that it serves."""
        self.wait_listening()
        until(self.is_ready, lambda: f"{self.name} ready: {self.readiness()}", within_s)
        return self

    def metrics(self, name, label):
        """Return a metric by one of its labels: value of the label -> value; empty if not told."""
        status, text = self.ask("GET", "/metrics")
        if status != 200:
            return {}
        found = re.findall(rf'^{name}{{[^}}]*{label}="([^"]*)"[^}}]*}} (\S+)$', text, re.MULTILINE)
        return {key: float(value) for key, value in found}

    def log_lines(self):
        """What it logged in all its lives; a torn line is left out."""
        found = []
        for line in self.output.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                if line.startswith("{"):
                    found.append(json.loads(line))
        return found

    def last_words(self):
        lines = self.output.read_text(errors="replace").splitlines() if self.output.exists() else []
        return "\n".join(lines[-SHOWN_LINES:])


def _read_state(pid):
    """Return the kernel's letter for a process; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def end_all(members):
    """End every process, frozen or not, and wait."""
    for member in members:
        with contextlib.suppress(Exception):
            member.kill()
    wait_for(lambda: not any(member.is_running for member in members), STOP_TIMEOUT_S)
