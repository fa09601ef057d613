import asyncio
import errno
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from switch.adapters.telemetry import (
    METRICS,
    Metrics,
    Readiness,
    RepeatFilter,
    configure_logging,
    make_telemetry,
)

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "metrics.md"


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], _ = before
    root.setLevel(before[1])
    structlog.reset_defaults()


def test_json_lines_carry_level_time_and_role() -> None:
    out = io.StringIO()
    configure_logging(log_format="json", log_level="info", stream=out)
    make_telemetry("gateway").log.info("connection closed", reason="frame too long")
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["role"]) == ("connection closed", "info", "gateway")
    assert line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_dropped() -> None:
    out = io.StringIO()
    configure_logging(log_format="console", log_level="warning", stream=out)
    make_telemetry("x").log.info("quiet")
    make_telemetry("x").log.warning("loud")
    assert "quiet" not in out.getvalue()
    assert "loud" in out.getvalue()
    assert re.match(r"\d\d:\d\d:\d\dZ \[warning", out.getvalue())


def test_libraries_speak_in_the_same_shape() -> None:
    out = io.StringIO()
    configure_logging(log_format="json", log_level="info", stream=out)
    logging.getLogger("uvicorn.error").info("unheard")
    logging.getLogger("uvicorn.error").warning("careful with %s", "6200000000000005")
    [line] = out.getvalue().splitlines()
    assert json.loads(line)["event"] == "careful with 620000******0005"


def test_a_card_number_that_slips_into_a_line_is_masked() -> None:
    out = io.StringIO()
    configure_logging(log_format="json", log_level="info", stream=out)
    make_telemetry("x").log.error("failed", detail="pan 6200000000000005 rrn 000000000042")
    assert "6200000000000005" not in out.getvalue()
    assert "000000000042" in out.getvalue()


def test_a_card_number_within_what_is_logged_is_masked_too() -> None:
    class Order:
        def __repr__(self) -> str:
            return "Order(6200000000000005)"

    out = io.StringIO()
    configure_logging(log_format="json", log_level="info", stream=out)
    make_telemetry("x").log.error(
        "failed",
        listed=["6200000000000005"],
        named={"pan": ("6200000000000005",)},
        number=6200000000000005,
        order=Order(),
        count=12,
        is_late=True,
        nothing=None,
    )
    assert "6200000000000005" not in out.getvalue()
    line = json.loads(out.getvalue())
    assert (line["count"], line["is_late"], line["nothing"]) == (12, True, None)
    assert line["listed"] == ["620000******0005"]


def test_an_exception_is_written_without_its_card_number() -> None:
    out = io.StringIO()
    configure_logging(log_format="json", log_level="info", stream=out)
    try:
        raise ValueError("bad 6200000000000005")  # noqa: TRY301 - the point
    except ValueError:
        make_telemetry("x").log.exception("failed")
    assert "ValueError" in out.getvalue()
    assert "6200000000000005" not in out.getvalue()


async def test_every_metric_is_exposed_with_its_description() -> None:
    metrics = Metrics()
    metrics.counter("switch_http_requests_total").labels("/", "200").inc()
    metrics.gauge("switch_registry_position").set(7)
    metrics.histogram("switch_answer_seconds").labels("json").observe(0.003)
    text = (await metrics.render()).decode()
    assert 'switch_http_requests_total{route="/",status="200"} 1.0' in text
    assert "switch_registry_position 7.0" in text
    for spec in METRICS:
        assert f"# HELP {spec.name} {spec.description}" in text


class FullDisk(io.StringIO):
    """Takes nothing while it is full."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)

    def flush(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_line_that_finds_no_room_stops_nobody() -> None:
    disk = FullDisk()
    configure_logging(log_format="json", log_level="info", stream=disk)
    make_telemetry("test").log.info("lost")
    logging.getLogger("library").warning("lost, too")
    disk.is_full = False
    make_telemetry("test").log.info("kept")
    assert [json.loads(line)["event"] for line in disk.getvalue().splitlines()] == ["kept"]


def test_a_metric_that_is_not_declared_cannot_be_used() -> None:
    with pytest.raises(KeyError):
        Metrics().counter("switch_surprises_total")


def test_every_metric_is_counted_by_somebody() -> None:
    declared = ROOT / "switch" / "adapters" / "telemetry.py"
    code = "".join(path.read_text() for path in (ROOT / "switch").rglob("*.py") if path != declared)
    unfed = [spec.name for spec in METRICS if f'"{spec.name}"' not in code]
    assert not unfed, "no alert on these can ever be raised"


def test_every_metric_is_in_the_docs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for spec in METRICS:
        labels = ", ".join(f"`{label}`" for label in spec.labels) or "-"
        assert f"| `{spec.name}` | {spec.kind} | {labels} | {spec.description} |" in page


def test_readiness_tells_which_part_is_not_ready_and_why() -> None:
    readiness = Readiness()
    reason = {"registry": "reading, 3 of 10"}
    readiness.add("registry", lambda: reason["registry"])
    readiness.add("log", str)
    assert readiness.reasons() == {"registry": "reading, 3 of 10"}
    reason["registry"] = ""
    assert readiness.reasons() == {}
    assert readiness.parts() == {"registry": "", "log": ""}


async def test_rendering_leaves_the_loop_free() -> None:
    metrics = Metrics()
    rendering = asyncio.ensure_future(metrics.render())
    await asyncio.sleep(0)
    assert not rendering.done()
    await rendering


def test_what_a_library_says_again_and_again_is_written_once_a_minute() -> None:
    repeats = RepeatFilter()

    def passes(line: str, at_s: float) -> bool:
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, line, None, None)
        record.created = at_s
        return repeats.filter(record)

    assert passes("no broker", 1_000.0)
    assert not passes("no broker", 1_000.1)
    assert passes("another", 1_000.2)
    assert passes("no broker", 1_060.0)
    assert not passes("no broker", 1_060.1)


@pytest.mark.parametrize(
    "line",
    [
        "Group Coordinator Request failed: [Error 15] GroupCoordinatorNotAvailableError",
        "Heartbeat failed for group switch-handlers because it is rebalancing",
        "Unable connect to \"127.0.0.1:1\": [Errno 111] Connect call failed ('127.0.0.1', 1)",
    ],
)
def test_what_a_library_calls_an_error_and_is_none_is_not_written(line: str) -> None:
    stream = io.StringIO()
    configure_logging(log_format="json", log_level="info", stream=stream)
    logging.getLogger("aiokafka").error(line)
    assert stream.getvalue() == ""
    logging.getLogger("aiokafka").error("Unable connect to node with id 2: refused")
    assert "node with id 2" in stream.getvalue()
