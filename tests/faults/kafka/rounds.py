"""
The long run: kill and zombie rounds under load, judged again and again.

    python -m tests.faults.kafka.rounds --rounds 100 [--seed S] [--folder DIR]

A seed draws the same blows in the same order; the moments at which they fall are the machine's.
"""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from infra.kafka.cluster import KafkaCluster
from tests.faults.kafka.proxy import Direction, Proxy, Verb
from tests.faults.kafka.scenarios import find_owner, wait_succeeded
from tests.faults.kafka.stand import TERMINAL_COUNT, Stand
from tests.faults.stand import until

JUDGED_EVERY = 10
PAID_MIN = 5  # between two blows
PAID_WITHIN_S = 60.0
PAUSE_S_MAX = 0.5


class LongRun:
    """One stand behind a fault proxy, its crowd, and what falls on it."""

    def __init__(self, folder, seed):
        self.noise = random.Random(seed)
        self.proxy = Proxy(("127.0.0.1", 0)).start()
        self.cluster = KafkaCluster(
            folder / "kafka", proxied_ports=(self.proxy.port,), report=lambda _line: None
        )
        self.cluster.start()
        self.proxy.target = "127.0.0.1", self.cluster.nodes[0].proxied_port
        bootstrap = self.cluster.proxied_bootstrap
        self.stand = Stand(folder / "stand", self.cluster, bootstrap=bootstrap)
        try:
            self.stand.start(handlers=3, projector=True)
        except BaseException:
            self.close()  # nobody else knows of what runs already
            raise
        self.crowd = self.stand.crowd(seed=seed, clerk_count=TERMINAL_COUNT // 2)
        self.met = Counter()

    def close(self):
        self.stand.stop()
        self.proxy.heal()
        self.proxy.stop()
        self.cluster.remove()

    # -- blows

    def kill_handler(self):
        self._kill(find_owner(self.stand)[0])

    def kill_gateway(self):
        self._kill(self.noise.choice(self.stand.gateways))

    def kill_projector(self):
        self._kill(self.stand.projector)

    def _kill(self, victim):
        threading.Event().wait(self.noise.uniform(0, PAUSE_S_MAX))
        victim.kill()
        self.crowd.wait_paid(PAID_MIN, PAID_WITHIN_S)
        victim.start().wait_ready()

    def freeze_handler(self):
        """A zombie: it stands still until others own what it owned."""
        zombie, taken = find_owner(self.stand)
        with zombie.frozen():
            wait_succeeded(self.stand, taken)
            self.crowd.wait_paid(PAID_MIN, PAID_WITHIN_S)

    def freeze_handler_with_strays(self):
        """A zombie whose records land behind its successor's claim."""
        zombie, taken = find_owner(self.stand)
        rule = self.proxy.order(
            Verb.HOLD, Direction.TO_SERVER, topic="journal", text="payment-", pid=zombie.pid
        )
        until(lambda: rule.met, "a record on its way", PAID_WITHIN_S)
        with zombie.frozen():
            wait_succeeded(self.stand, taken)
            self.proxy.heal()
        self.proxy.heal()

    def freeze_gateway(self):
        with self.noise.choice(self.stand.gateways).frozen():
            self.crowd.wait_paid(PAID_MIN, PAID_WITHIN_S)

    def hold_ack(self):
        """An append of unknown outcome."""
        rule = self.proxy.order(Verb.HOLD, topic="journal", text="payment-")
        until(lambda: rule.met, "an ack on its way", PAID_WITHIN_S)
        self.crowd.wait_paid(PAID_MIN, PAID_WITHIN_S)
        self.proxy.heal()

    def cut_connections(self):
        self.proxy.cut()

    BLOWS = (
        (kill_handler, 30),
        (freeze_handler, 25),
        (freeze_handler_with_strays, 20),
        (kill_gateway, 8),
        (freeze_gateway, 5),
        (hold_ack, 5),
        (cut_connections, 4),
        (kill_projector, 3),
    )

    # -- the run

    def run(self, count):
        """Let blow after blow fall; return what the judge found, which must be nothing."""
        started = time.monotonic()
        blows, weights = zip(*self.BLOWS, strict=True)
        self.crowd.start()
        for number in range(1, count + 1):
            blow = self.noise.choices(blows, weights)[0]
            self.crowd.wait_paid(PAID_MIN, PAID_WITHIN_S)
            begun = time.monotonic()
            blow(self)
            self.crowd.wait_paid(PAID_MIN, PAID_WITHIN_S)
            self.met[blow.__name__] += 1
            self._say(f"{number:4} {blow.__name__:27} {time.monotonic() - begun:5.1f} s")
            if number % JUDGED_EVERY == 0 or number == count:
                self._judge(number, started)
                self.crowd.start()
        self._say(f"zero violations; {dict(self.met)}")

    def _judge(self, number, started):
        journal = self.stand.check(self.crowd)
        ledger = self.stand.ledger()
        cases = Counter(kind for s in journal.stories.values() for kind in s.cases.values())
        self._say(
            f"     judged after {number} rounds and {time.monotonic() - started:.0f} s:"
            f" {len(journal.stories)} payments, {self.crowd.codes()}, {self.crowd.reasons()},"
            f" approved {self.crowd.approvals()}, {len(journal.closings)} closings"
            f" ({sum(one.is_balanced for one in journal.closings)} balanced),"
            f" {sum(line['op'] == 'debit' for line in ledger)} debits,"
            f" {sum(line['op'] == 'reversal' for line in ledger)} reversals,"
            f" {len(journal.claims)} claims, {len(journal.void())} void records,"
            f" open cases {dict(cases)};"
            f" longest stall {self.crowd.longest_stall_s():.1f} s"
        )

    def _say(self, line):
        print(line, flush=True)  # noqa: T201


def main():
    parser = argparse.ArgumentParser(description="Kill and zombie rounds under load.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="0: drawn, and printed")
    parser.add_argument("--folder", type=Path, help="kept afterwards; else one that is removed")
    options = parser.parse_args()
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 32)
    print(f"--seed {seed}", flush=True)  # noqa: T201
    folder = options.folder or Path(tempfile.mkdtemp(prefix="rounds-"))
    run = LongRun(folder, seed)
    try:
        run.run(options.rounds)
    finally:
        run.close()
        if options.folder is None and sys.exc_info()[0] is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
