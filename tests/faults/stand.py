"""A real `switch up --demo` that is attacked: its processes, its witnesses, and their judge."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from loadtest.audit import run_audit
from loadtest.audit_run import audit_directory, scan_directory
from loadtest.journal_file import JournalFile
from loadtest.ledger import read_ledger
from loadtest.pan_scan import PanScanner
from loadtest.trail import Journal
from loadtest.world import make_terminals, write_registry_file
from switch.demo.tour_instance import TourInstance, wait_for
from tests.environment import CALM_TIMES, STEADY_TIMES, name_variables

DEADLINE_S = 45.0  # for what takes a second or two when the machine has nothing else to do
WRITER = "switch.adapters.sqlite_writer"
SIMULATOR = "switch.apps.simulator"
PROJECTOR = "switch.apps.projector"
DEMO_PAN = "6200000000000005"
API_KEY = "demo-api-key-not-secret"
MERCHANT = "898110154110001"
# for tests that wait for no unknown outcome: a machine that stands still declines nothing
CALM_SWITCH_TIMES = name_variables(CALM_TIMES)
STEADY_SWITCH_TIMES = name_variables(STEADY_TIMES)
# shorter still, where a process is stopped until its peers have given up waiting
SHORT_TIMES = {
    "SWITCH__TIMES__TERMINAL_DEADLINE_MS": "4000",
    "SWITCH__TIMES__APPEND_DEADLINE_MS": "2000",
    "SWITCH__TIMES__ISSUER_TIMEOUT_MS": "1000",
    "SWITCH__TIMES__ISSUER_DELAY_MAX_MS": "1500",
    "SWITCH__HANDLER__REVERSAL_FIRST_REPEAT_MS": "300",
}


def until(look, what, within_s=DEADLINE_S):
    """Look until something true is found; what was waited for is told if it does not come."""
    found = wait_for(look, within_s)
    assert found, f"not within {within_s:.0f} s: {what() if callable(what) else what}"
    return found


class Stand(TourInstance):
    """One instance in `folder`; `settings` are SWITCH__... variables on top of free ports."""

    def __init__(self, folder, settings=None):
        super().__init__(folder, "", os.environ)
        self._environment |= settings or {}
        self.folder = folder

    def start(self, say=lambda _line: None):
        return super().start(say)

    def command(self):
        """Return the command that starts it."""
        return [sys.executable, "-m", "switch", "up", "--demo", "--data", str(self.data_dir)]

    # -- its processes

    def kill_main(self):
        """kill -9 of the main process alone; its children have to notice by themselves."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    def start_and_kill(self, after_s):
        """Start it and kill -9 the main process so soon that it is hardly ever ready."""
        with self.output.open("ab") as output:
            started = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(after_s)
            raise AssertionError("it ended by itself:\n" + self.last_lines(12))
        started.kill()
        started.wait()

    def find_child(self, module):
        """Return the pid of the child that runs this module; 0 if there is none."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    arguments = (entry / "cmdline").read_bytes().split(b"\0")
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    if parent == self.pid and module.encode() in arguments:
                        return int(entry.name)
        return 0

    def kill_child(self, module):
        """kill -9 of one child; return once another serves in its place."""
        killed = until(lambda: self.find_child(module), f"a child {module}")
        os.kill(killed, signal.SIGKILL)
        until(lambda: self.find_child(module) not in {0, killed}, f"another {module}")

    def rss_bytes(self):
        """Resident memory of the main process."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def log_lines(self):
        """What it logged since its last start; a line that a full disk tore is left out."""
        found = []
        for line in self._read_output():
            with contextlib.suppress(json.JSONDecodeError):
                if line.startswith("{"):
                    found.append(json.loads(line))
        return found

    def closings(self):
        """The log lines about connections that it closed."""
        return [line for line in self.log_lines() if line["event"] == "connection closed"]

    # -- what it says

    def ask_http(self, method, path, body=None, headers=None, timeout_s=90):
        """Return status and body (decoded if it is JSON)."""
        connection = http.client.HTTPConnection(*self.address("http"), timeout=timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        is_json = "json" in response.headers.get("content-type", "")
        return response.status, json.loads(content) if is_json else content.decode()

    def pay_json(self, key, amount_minor=1234, **changes):
        """One sale over HTTP."""
        order = {
            "merchant_id": MERCHANT,
            "amount_minor": amount_minor,
            "currency": "156",
            "card": {"pan": DEMO_PAN, "expiry": "3012"},
        }
        headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
        return self.ask_http("POST", "/v1/payments", json.dumps(order | changes), headers)

    def ask_operator(self, method, path, body=None):
        """Ask with the operator's token."""
        token = (self.data_dir / "keys" / "operator.token").read_text().strip()
        return self.ask_http(method, path, body, {"Authorization": f"Bearer {token}"})

    def readiness(self):
        """Return /readyz as status and reasons."""
        return self.ask_http("GET", "/readyz")

    def is_ready(self):
        return self.readiness()[0] == 200

    def wait_ready(self):
        until(self.is_ready, lambda: f"ready again: {self.readiness()}")

    def metric(self, name):
        """Return the sum of a metric over its labels."""
        _, text = self.ask_http("GET", "/metrics")
        found = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def load_terminals(self, count):
        """Add terminals, four to a merchant, each with its own key and card."""
        specs = make_terminals(count)
        file = write_registry_file(specs).encode()
        # 503 is "load the file again": the log has just lost its writing process
        until(lambda: self.ask_operator("POST", "/v1/registry/load", file)[0] == 200, "terminals")
        return specs

    # -- its witnesses

    def debits(self):
        """The debits in the issuer's own ledger."""
        return [line for line in read_ledger(self.ledger_path) if line.op == "debit"]

    def journal(self):
        """The journal as an auditor reads it."""
        with JournalFile(self.data_dir) as file:
            return Journal().feed_all(file.read_new())

    def check(self, told=(), pans=None, settle_s=DEADLINE_S, *, replays=True):
        """
        Wait until nothing is open any more, then let every witness speak.

        With `pans` (and the demo's) all that is left behind is searched for card numbers: a second.
        A journal whose times were moved cannot be decided again: without `replays`.
        """
        report = asyncio.run(audit_directory(self.data_dir, told, settle_timeout_s=settle_s))
        assert report.is_clean, report.violations
        if replays:
            self.check_replay()
        if pans is None:
            return report
        found = scan_directory(self.data_dir, [*pans, DEMO_PAN])
        assert not found, found
        said = json.dumps(self.log_lines()).encode()  # the greeting shows the demo's card
        assert not list(PanScanner([*pans, DEMO_PAN]).scan_bytes(said, self.output))
        return report

    def check_replay(self):
        """Let today's code decide everything again."""
        done = subprocess.run(
            [sys.executable, "-m", "switch", "replay", "--all", "--data", str(self.data_dir)],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def violations_now(self, told=()):
        """What the audit finds at this moment, settled or not, about double debits."""
        report = run_audit(self.journal(), read_ledger(self.ledger_path), told)
        return [found for found in report.violations if found.invariant == 1]


def now_ms():
    return time.time_ns() // 1_000_000
