import os

from loadtest.frames import DIALECT, make_templates
from loadtest.lean_terminal import Course, LeanTerminal
from loadtest.run import CpuMeter, StanMemory
from loadtest.world import make_terminals
from switch.codec import load_dialect


def terminals_at(*stans):
    dialect = load_dialect(DIALECT)
    made = []
    for spec, stan in zip(make_terminals(len(stans)), stans, strict=True):
        made.append(LeanTerminal(spec, make_templates(dialect, spec), stan))
        made[-1].begin(Course.PLAIN, 100)
    return made


def test_a_later_run_goes_on_above_the_highest_trace_number(tmp_path):
    memory = StanMemory(tmp_path)
    assert memory.next_stan() == 1
    memory.remember(terminals_at(5, 17, 3))
    assert StanMemory(tmp_path).next_stan() == 18


def test_trace_numbers_go_round(tmp_path):
    memory = StanMemory(tmp_path)
    memory.remember(terminals_at(999_999))
    assert memory.next_stan() == 1


def test_processor_time_is_counted_a_payment():
    meter = CpuMeter(None)
    sum(range(3_000_000))
    use = meter.read(10)
    assert use.client_us_per_payment > 100
    assert use.switch_us_per_payment is None


def test_the_switch_is_counted_with_its_processes():
    meter = CpuMeter(os.getpid())
    sum(range(5_000_000))
    use = meter.read(1)
    assert use.switch_us_per_payment > 0
    assert any(f"[{os.getpid()}]" in name for name in use.switch_processes)
