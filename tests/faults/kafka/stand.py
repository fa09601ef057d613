"""The switch as many processes over a real broker, with its witnesses and their judge."""

import asyncio
import contextlib
import itertools
import os
import secrets
import signal
import subprocess
import sys
import threading
from urllib.parse import unquote

from loadtest.audit import run_audit
from loadtest.ledger import read_ledger as read_audit_ledger
from loadtest.pan_scan import PanScanner
from loadtest.trail import Journal as AuditJournal
from loadtest.trail import RawRecord as AuditRecord
from loadtest.world import make_terminals
from switch.adapters.embedded_postgres import SOCKET_NAME, EmbeddedPostgres
from tests.faults.counter import PIK, TMK, write_shops
from tests.faults.kafka.checker import Evidence, find_backlog, judge, read_ledger
from tests.faults.kafka.crowd import PATIENCE_S, Crowd
from tests.faults.kafka.member import Member, end_all
from tests.faults.kafka.memory import MANAGEMENT
from tests.faults.kafka.raw_topics import describe_partitions, find_ends, read_topics
from tests.faults.kafka.story import Journal
from tests.faults.kafka.tables import compare_tables, dump_tables
from tests.faults.stand import until

SETTLE_S = 45.0
PARTITION_COUNT = 4
TERMINAL_COUNT = 24
RATE_PER_S = 25.0
CLERK_COUNT = 8  # of the terminals: they do everything
SUPERVISOR_POLL_S = 0.1
# deadlines short enough that an unknown outcome ends, and a zombie is replaced, within a test
SHORT_TIMES = {
    "TIMES__TERMINAL_DEADLINE_MS": "4000",
    "TIMES__APPEND_DEADLINE_MS": "1500",
    "TIMES__ISSUER_TIMEOUT_MS": "1000",
    "TIMES__ISSUER_DELAY_MAX_MS": "1500",
    "TIMES__DRAIN_MS": "3000",
    "HANDLER__REVERSAL_FIRST_REPEAT_MS": "300",
    "HANDLER__REVERSAL_REPEAT_MAX_MS": "2000",
    "HANDLER__POSITION_NOTE_MS": "300",
    "ISSUER_LINK__RECONNECT_DELAY_MAX_MS": "500",
    "OWNERSHIP__SESSION_TIMEOUT_MS": "1000",
    "SNAPSHOTS__INTERVAL_MS": "1000",  # so that most take-overs begin from one
    "TELEMETRY__STATUS_INTERVAL_MS": "300",
    "TELEMETRY__LOG_FORMAT": "json",
    "GATEWAY__UNIONPAY_POS_ADDRESS": "127.0.0.1:0",
    "GATEWAY__ISO1987_ASCII_ADDRESS": "127.0.0.1:0",
    "HTTP__ADDRESS": "127.0.0.1:0",
    "LOG__PARTITION_COUNT": str(PARTITION_COUNT),
}


class Stand:
    """Every process of one switch in `folder`, over topics of its own on `cluster`."""

    def __init__(self, folder, cluster, settings=None, *, bootstrap=""):
        self.folder = folder
        self.cluster = cluster
        self.prefix = f"t{secrets.token_hex(4)}-"
        self.settings = SHORT_TIMES | (settings or {})
        self._bootstrap = bootstrap or cluster.bootstrap
        self._members = []
        self._numbers = itertools.count(1)
        self._crowds = []
        self._supervising = None
        self.postgres = None
        self.issuer = self.registrar = self.projector = None
        self.gateways, self.handlers = [], []
        self.specs = ()
        self.alteration = ""  # what is changed in the handlers made from now on
        self._journal, self._journal_since = Journal(), {}
        self._extras = contextlib.ExitStack()

    # -- processes

    def environment(self, **more):
        ours = {k: v for k, v in os.environ.items() if not k.startswith("SWITCH__")}
        found = {f"SWITCH__{name}": value for name, value in (self.settings | more).items()}
        found |= self.cluster.environment("handler")
        found["SWITCH__LOG__URL"] = f"kafka://{self._bootstrap}?prefix={self.prefix}"
        found["SWITCH__SECURITY__KEYS_DIRECTORY"] = str(self.folder / "keys")
        if self.issuer is not None:
            host, port = self.issuer_address
            found["SWITCH__ISSUER_SIMULATOR__ADDRESS"] = f"{host}:{port}"
        return ours | found

    def make(self, role, **more):
        """Make one process of a role; it is not started yet. `more` are settings of its own."""
        name = f"{role}-{next(self._numbers)}"
        environment = self.environment(**more)
        module = "switch"
        if role == "handler" and self.alteration:
            module = "tests.faults.kafka.altered_handler"
            environment["FAULTS_ALTERATION"] = self.alteration
        member = Member(self.folder, name, ["-m", module, role, "--demo"], environment)
        self._members.append(member)
        return member

    def start(self, *, gateways=2, handlers=2, terminals=TERMINAL_COUNT, projector=False):
        """Start everything and wait until it serves and knows the terminals."""
        self._start_issuer()
        self._create_topics()
        self.registrar = self.make("registrar").start().wait_ready()
        for _ in range(handlers):
            self.add_handler()
        for _ in range(gateways):
            self.add_gateway()
        if projector:
            self.add_projector()
        for member in (*self.handlers, *self.gateways):
            member.wait_ready()
        self.specs = self.load_terminals(terminals)
        for member in (*self.handlers, *self.gateways):
            self.wait_known(member)
        return self

    def wait_known(self, member):
        """Wait until a process's view holds what was loaded last."""
        position = self.loaded[1]["position"]

        def look():
            status, said = member.ask_operator("GET", "/v1/status")
            return status == 200 and said["registry"]["position"] >= position

        until(look, f"{member.name} knows the registry up to {position}")

    def _create_topics(self):
        done = subprocess.run(
            [sys.executable, "-m", "switch", "topics", "create"],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _start_issuer(self):
        self.issuer = Member(
            self.folder,
            "issuer",
            [
                "-m",
                "switch",
                "issuer",
                "--address",
                "127.0.0.1:0",
                "--delay-ms",
                "20",
                "--late-ms",
                "1200",
            ],
            self.environment(),
        )
        self._members.append(self.issuer.start())
        self.issuer_address = self._find_issuer()

    def _find_issuer(self):
        def look():
            assert self.issuer.is_running, self.issuer.last_words()
            words = self.issuer.last_words().split()
            return next((w for w in words if w.startswith("127.0.0.1:")), "").strip(".,;")

        host, _, port = until(look, "the issuer's address").rpartition(":")
        return host, int(port)

    def add_handler(self, **more):
        self.handlers.append(self.make("handler", **more).start())
        return self.handlers[-1]

    def add_gateway(self, **more):
        ordinal = str(len(self.gateways) + 1)
        self.gateways.append(self.make("gateway", **{"GATEWAY__ORDINAL": ordinal} | more).start())
        return self.gateways[-1]

    def add_projector(self, dsn=""):
        self.start_postgres()
        more = {"PROJECTOR__DSN": dsn or self.postgres.dsn, "PROJECTOR__IN_BACKGROUND": "false"}
        self.projector = self.make("projector", **more).start().wait_listening()
        return self.projector

    def start_postgres(self):
        if self.postgres is None:
            self.postgres = EmbeddedPostgres(self.folder / "pg")
            self._extras.callback(self.postgres.stop)
        self.postgres.start()

    def kill_postgres(self):
        """SIGKILL of the server; its children end by themselves."""
        pid = int((self.postgres.directory / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGKILL)
        until(lambda: not self.postgres.is_running, "the database is gone")

    def postgres_socket(self):
        """The path of its unix socket."""
        return unquote(self.postgres.dsn.partition("host=")[2]) + f"/{SOCKET_NAME}"

    def load_terminals(self, count):
        """Register so many terminals, four to a merchant, each with a key and card of its own."""
        specs = make_terminals(count)
        self.load_registry(write_shops(specs))
        return specs

    def load_registry(self, text):
        def load():
            self.loaded = self.registrar.ask_operator("POST", "/v1/registry/load", text.encode())
            return self.loaded[0] == 200

        until(load, lambda: f"the registry takes a file: {self.loaded}")

    def find_gateways(self):
        """Where terminals can connect now."""
        found = [m.address("unionpay-pos") for m in self.gateways if m.is_running and m.addresses]
        return found or [("127.0.0.1", 9)]  # nobody listens there

    def crowd(
        self,
        *,
        seed,
        rate_per_s=RATE_PER_S,
        specs=None,
        clerk_count=CLERK_COUNT,
        patience_s=PATIENCE_S,
    ):
        specs = specs or self.specs
        more = {"seed": seed, "rate_per_s": rate_per_s, "clerk_count": clerk_count}
        made = Crowd(self.find_gateways, specs, patience_s=patience_s, **more)
        self._crowds.append(made)
        return made

    @contextlib.contextmanager
    def supervised(self):
        """Start again whatever ends, within the block, as a supervisor does."""
        is_over = threading.Event()

        def watch():
            while not is_over.wait(SUPERVISOR_POLL_S):
                for member in self._members:
                    if member.is_wanted and not member.is_running:
                        member.start()

        thread = threading.Thread(target=watch, name="supervisor")
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def stop(self):
        """End all of it."""
        for crowd in self._crowds:
            crowd.stop()
        end_all(self._members)
        self._extras.close()

    # -- what can be seen of it

    def records(self, *logs):
        return read_topics(self.cluster.bootstrap, self.prefix, logs or ("journal",))

    def journal(self):
        """Return the journal up to now, as the judge reads it; each record is read once."""
        new = read_topics(self.cluster.bootstrap, self.prefix, ("journal",), self._journal_since)
        self._journal.feed(new)
        return self._journal

    def claims(self):
        return self.journal().claims

    def ledger(self):
        return read_ledger(self.issuer.data_dir / "issuer-ledger.jsonl")

    def owners(self):
        """Say who holds each partition by the journal: partition -> name of the last claim."""
        return {claim.partition: claim.owner for claim in self.claims()}

    def wait_served(self, within_s=30.0):
        """Wait until every process is ready again."""
        alive = [m for m in (*self.gateways, *self.handlers) if m.is_running]
        until(
            lambda: all(m.is_ready() for m in alive) and len(self.partitions()) == PARTITION_COUNT,
            lambda: f"all ready: {[(m.name, m.readiness()) for m in alive]}",
            within_s,
        )

    def partitions(self):
        """What the handlers say of the partitions that they serve: index -> handler."""
        return {
            int(index): handler
            for handler in self.handlers
            if handler.is_running and not handler.is_frozen
            for index, value in handler.metrics("switch_partition_owned", "partition").items()
            if value
        }

    def rows(self):
        """What the owners say of their partitions: index -> (handler, its words)."""
        found = {}
        for handler in self.handlers:
            if handler.is_running and not handler.is_frozen:
                status, said = handler.ask_operator("GET", "/v1/status")
                for row in said["partitions"] if status == 200 else ():
                    if row["state"] == "serving":
                        found[row["partition"]] = handler, row
        return found

    def void_counts(self):
        """What the owners say of void records: index -> count."""
        return {index: row["void_records"] for index, (_, row) in self.rows().items()}

    def find_leader(self, log, partition):
        """Return the node that leads a partition of a log."""
        (found,) = [
            p
            for p in describe_partitions(self.cluster.bootstrap, self.prefix + log)
            if p["partition"] == partition
        ]
        return self.cluster.nodes[found["leader"] - 1]

    def is_in_sync(self):
        """Whether every replica of the journal has everything again."""
        found = describe_partitions(self.cluster.bootstrap, self.prefix + "journal")
        return all(len(p["isr"]) == len(p["replicas"]) for p in found)

    # -- its judge

    def wait_settled(self, within_s=SETTLE_S):
        """Wait until nothing is open and the inbound logs are drained; return the records."""
        seen = {}

        def is_settled():
            ends = find_ends(self.cluster.bootstrap, self.prefix, "inbound")
            journal = self.journal()
            seen["why"] = journal.open_count(), find_backlog(ends, journal.watermarks())
            return seen["why"] == (0, [])

        until(is_settled, lambda: f"all settled: {seen.get('why')}", within_s)

    def wait_voids_counted(self):
        """Wait until the processes say of void records what the journal says."""

        def are_counted():
            journal, counts = self.journal(), self.void_counts()
            return len(counts) == PARTITION_COUNT and all(
                count == journal.void_count(index) for index, count in counts.items()
            )

        until(are_counted, lambda: f"void records are counted: {self.void_counts()}, not as many")

    def check(self, *crowds, settle_s=SETTLE_S):
        """Let every terminal get its answer, wait until all has settled, then judge everything."""
        for crowd in crowds:
            crowd.finish()
            crowd.close_batches()
        self.wait_settled(settle_s)
        self.wait_served()
        found = self.find_violations(*crowds)
        found += self.find_secrets()
        if self.projector is not None:
            found += self.find_table_faults()
        assert not found, "\n".join(map(str, found))
        return self.journal()

    def judge(self, *crowds):
        """What the judge finds at this moment."""
        records = self.records("journal", "inbound", "registry")
        exchanges = [x for crowd in crowds for x in crowd.exchanges]
        return judge(Evidence(records, self.ledger(), exchanges))

    def find_violations(self, *crowds):
        """What the judge, and the load tool's audit beside it, find at this moment."""
        raw = [AuditRecord(r.partition, r.offset, r.value) for r in self.records("journal")]
        heard = [x for crowd in crowds for x in crowd.exchanges]
        told = [x.as_told() for x in heard if x.kind not in MANAGEMENT]
        ledger = read_audit_ledger(self.issuer.data_dir / "issuer-ledger.jsonl")
        report = run_audit(AuditJournal().feed_all(raw), ledger, told)
        return [*self.judge(*crowds), *report.violations]

    def find_table_faults(self):
        """Compare the projector's tables with the journal once they have caught up."""
        seen = {}

        def is_equal():  # the journal read anew: an idle owner notes its place in it now and then
            found = compare_tables(self.postgres.dsn, self.journal())
            seen["faults"] = asyncio.run(found)
            return not seen["faults"]

        with contextlib.suppress(AssertionError):
            until(is_equal, "tables", 20.0)
        return seen["faults"]

    def find_secrets(self):
        """Look for card numbers and keys in every topic, table and file but the key files."""
        scanner = PanScanner([spec.pan for spec in self.specs])
        keys = [TMK, PIK, *(spec.mak for spec in self.specs)]
        clerks = [clerk.state for crowd in self._crowds for clerk in crowd.clerks]
        keys += [key.hex().upper() for state in clerks for key in (state.mak, state.pik)]
        needles = [k.encode() for k in keys] + [bytes.fromhex(k) for k in keys]
        contents = [
            (f"{r.log}[{r.partition}]@{r.offset}", r.value)
            for r in read_topics(self.cluster.bootstrap, self.prefix)
        ]
        contents += [(path, _read_log(path)) for path in self._list_files()]
        if self.projector is not None:
            contents += asyncio.run(dump_tables(self.postgres.dsn))
        found = [str(f) for place, content in contents for f in scanner.scan_bytes(content, place)]
        found += [f"a key in {p}" for p, content in contents for key in needles if key in content]
        return found

    def _list_files(self):
        return [
            path
            for member in self._members
            for path in member.folder.rglob("*")
            if path.is_file() and "keys" not in path.parts
        ]


def _read_log(path):
    """Return a file; of what a process printed only its log: its greeting may show test cards."""
    content = path.read_bytes()
    if path.name != "output.log":
        return content
    return b"\n".join(line for line in content.split(b"\n") if line.startswith(b"{"))
