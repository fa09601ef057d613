"""What several rooms' tests share: one real Kafka broker for the whole run."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from infra.kafka import launcher
from infra.kafka.jars import fetch_libs

ROOT = Path(__file__).resolve().parent.parent
# an example is not wrong because the machine stood still while it was drawn or tried
settings.register_profile(
    "patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")
BROKER_START_TIMEOUT_S = 180
# how long this process waits for a broker that shares two cores with everything else
PATIENCE_WITH_KAFKA_S = {
    "kafka_client.CONNECT_TIMEOUT_S": 30.0,
    "kafka_reader.READ_TIMEOUT_S": 30.0,
    "kafka_topics.CREATE_TIMEOUT_S": 60.0,
    "kafka_topics.START_PATIENCE_S": 30.0,
    "kafka_writer.BEGIN_TIMEOUT_S": 30.0,
}


@pytest.fixture(scope="session")
def kafka_libs() -> Path:
    """Folder of Kafka's jars, for tests that start brokers of their own."""
    if missing := launcher.find_missing_tools():
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("Kafka tests cannot run: " + "; ".join(missing))
        pytest.skip("KAFKA TESTS SKIPPED: " + "; ".join(missing))
    return fetch_libs()


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_libs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a broker that all workers of this run share and that ends with the run."""
    assert kafka_libs.is_dir()
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    run_folder = tmp_path_factory.getbasetemp()
    folder = (run_folder.parent if is_worker else run_folder) / "kafka-broker"
    run_pid = os.getppid() if is_worker else os.getpid()
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            _start_broker(folder, run_pid)
    return (folder / "ready").read_text()


@pytest.fixture(autouse=True)
def _patient_with_kafka(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test fail for a broker that was slow; what a slow one means, tests set themselves."""
    if request.node.get_closest_marker("kafka"):
        for name, value in PATIENCE_WITH_KAFKA_S.items():
            monkeypatch.setattr(f"switch.adapters.{name}", value)


def _start_broker(folder: Path, run_pid: int) -> None:
    """Start the broker under a process that stops it when this test run has ended."""
    command = [sys.executable, "-m", "infra.kafka.launcher", "serve", "--dir", str(folder)]
    command += ["--port", "0"]
    with folder.with_suffix(".out").open("w") as output:
        keeper = subprocess.Popen(
            [*command, "--while-pid", str(run_pid)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    give_up_at = time.monotonic() + BROKER_START_TIMEOUT_S
    while not (folder / "ready").exists():
        if keeper.poll() is not None or time.monotonic() > give_up_at:
            pytest.fail("Kafka did not start:\n" + folder.with_suffix(".out").read_text())
        time.sleep(0.1)
    keeper.returncode = 0  # it ends by itself after this run: nobody waits for it


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which seeds were simulated: a run that fails elsewhere must not be the only trace."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [
        value for report in reports for name, value in report.user_properties if name == "simulated"
    ]
    for value in told:
        terminalreporter.write_line(f"simulation: {value}")
