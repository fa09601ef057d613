"""Terminals that pay without a pause while something is broken."""

import random
import threading

from tests.faults.stand import until
from tests.faults.till import Till

TERMINAL_COUNT = 6
PATIENCE_S = 5.0  # a little more than the terminal deadline of `SHORT_TIMES`


class Load:
    """Some terminals that pay without a pause; each stops at the first silence."""

    def __init__(self, stand, seed):
        self.stand = stand
        self.noise = random.Random(seed)
        self.specs = stand.load_terminals(TERMINAL_COUNT)
        self.tills = [Till(None, spec) for spec in self.specs]
        for till in self.tills:
            till.patience_s = PATIENCE_S
        self.stans = [0] * TERMINAL_COUNT
        self.left = []  # number of the till, amount, trace number: what got no answer
        self.is_over = threading.Event()
        self.threads = []

    def start(self):
        self.is_over.clear()
        self.left = []
        self.threads = []
        for number, till in enumerate(self.tills):
            till.hang_up()
            till.address = self.stand.address("unionpay-pos")
            noise = random.Random(self.noise.random())
            self.threads.append(threading.Thread(target=self._pay, args=(number, noise)))
        for thread in self.threads:
            thread.start()

    def _pay(self, number, noise):
        while not self.is_over.is_set():
            self.stans[number] += 1
            # one in thirty is an amount to which the issuer says nothing
            amount = noise.randrange(1, 500) * 100 + (98 if noise.random() < 1 / 30 else 0)
            if self.tills[number].pay(amount, self.stans[number]) is None:
                self.left.append((number, amount, self.stans[number]))
                return

    def stop(self):
        """End when each has the answer that it waits for, or none."""
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def close(self):
        self.stop()
        for till in self.tills:
            till.hang_up()

    def told(self):
        return [line for till in self.tills for line in till.told]

    def paid_count(self):
        return sum(line.response_code == "00" for line in self.told())

    def repeat_unanswered(self):
        """Send what got no answer again until it gets one: stored, or new if it never came in."""
        for number, amount, stan in self.left:
            till = self.tills[number]
            till.address = self.stand.address("unionpay-pos")
            until(lambda: till.pay(amount, stan, "repeat"), f"an answer to repeat {stan}")  # noqa: B023
            first, second = (till.pay(amount, stan, "repeat") for _ in range(2))
            assert first == second

    def pans(self):
        return [spec.pan for spec in self.specs]
