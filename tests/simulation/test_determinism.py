"""A seed is a run: the same again, in any process, whatever the hashes of its strings are."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib
from tests.simulation.options import draw_options
from tests.simulation.outcome import simulate
digest = hashlib.sha256()
for seed in (11, 12, 13):
    witness = simulate(draw_options(seed)).simulation.witness
    for seen in (witness.sent, witness.answers, witness.strikes):
        digest.update(repr(seen).encode())
    digest.update(repr([(s.at_ms, s.line.op, s.line.rrn) for s in witness.ledger]).encode())
print(digest.hexdigest())
"""


def digest_with(hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout


def test_a_seed_leads_to_the_same_run_in_every_process():
    assert digest_with("1") == digest_with("2")
