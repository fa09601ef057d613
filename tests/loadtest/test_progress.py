from loadtest.driver import Driver
from loadtest.frames import DIALECT
from loadtest.progress import ProgressLine
from loadtest.scenario import Scenario
from loadtest.schedule import Step
from switch.codec import load_dialect


def idle_driver():
    scenario = Scenario(name="x", steps=(Step(rate_per_s=1, duration_s=1),))
    driver = Driver(scenario, load_dialect(DIALECT), [], ("127.0.0.1", 1))
    driver.tally.record("authorization", 12_000, counts=True)
    return driver


async def test_one_line_is_rewritten_for_people(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressLine() as line:
        line.show(idle_driver())
        line.show_settling(3)
    shown = capsys.readouterr().err
    assert "p99    12.00 ms" in shown.replace("12.0", "12.0")
    assert "settling: 3" in shown
    assert "\n" not in shown


async def test_nothing_is_written_where_nobody_looks(capsys):
    with ProgressLine() as line:
        line.show(idle_driver())
    assert capsys.readouterr().err == ""
