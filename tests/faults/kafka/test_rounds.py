"""Some rounds of the long run; `python -m tests.faults.kafka.rounds` is the whole of it."""

import pytest

from tests.faults.kafka.conftest import IS_LONG, ROUNDS
from tests.faults.kafka.rounds import LongRun

pytestmark = [
    pytest.mark.process,
    pytest.mark.kafka,
    pytest.mark.skipif(not IS_LONG, reason="in the long form: make test-faults"),
]


@pytest.mark.usefixtures("kafka_bootstrap")  # it skips where there is no Java
def test_blow_after_blow_falls_and_nothing_is_violated(tmp_path, noise):
    run = LongRun(tmp_path, noise.randrange(1, 1 << 32))
    try:
        run.run(ROUNDS)
    finally:
        run.close()
