import subprocess
import sys

from loadtest.bench_kafka import PARTS
from loadtest.bench_names import KAFKA_PARTS


def test_each_part_of_kafka_can_be_named():
    assert tuple(PARTS) == KAFKA_PARTS


def test_the_names_are_known_before_any_benchmark_is_imported():
    script = (
        "import sys, loadtest.program\n"
        "heavy = {name for name in sys.modules if name.startswith('loadtest.bench')}\n"
        "assert heavy == {'loadtest.bench_names'}, heavy\n"
        "assert 'aiokafka' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
