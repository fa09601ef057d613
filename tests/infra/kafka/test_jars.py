import re

import pytest

from infra.kafka import jars
from infra.kafka.machine import KafkaLaunchError


def say_nothing(_line: str) -> None:
    pass


@pytest.fixture
def libs(tmp_path):
    """Two jars and the lock that belongs to them."""
    libs = tmp_path / "libs"
    libs.mkdir()
    (libs / "kafka_2.13-4.3.1.jar").write_bytes(b"kafka")
    (libs / "zstd-jni-1.5.6-10.jar").write_bytes(b"zstd")
    assert jars.write_lock(libs, tmp_path / "jars.lock") == 2
    return libs


def test_missing_tools_stop_the_download_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("SWITCH_KAFKA_LIBS", str(tmp_path / "libs"))
    assert [line.split(" ")[0] for line in jars.find_missing_tools()] == ["java", "mvn"]
    with pytest.raises(KafkaLaunchError, match="apt install maven"):
        jars.fetch_libs(say_nothing)


def test_maven_is_not_needed_once_kafka_was_fetched(tmp_path, monkeypatch):
    (tmp_path / "libs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SWITCH_KAFKA_LIBS", str(tmp_path / "libs"))
    assert [line.split(" ")[0] for line in jars.find_missing_tools()] == ["java"]


def test_a_lock_has_name_version_and_digest_of_every_jar(libs, tmp_path):
    lines = (tmp_path / "jars.lock").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["kafka_2.13", "4.3.1"],
        ["zstd-jni", "1.5.6-10"],
    ]
    assert all(re.fullmatch(r"[0-9a-f]{64}", line.split()[2]) for line in lines)
    jars.check_jars(libs, tmp_path / "jars.lock")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda libs: (libs / "zstd-jni-1.5.6-10.jar").write_bytes(b"zstD"), "has other bytes"),
        (lambda libs: (libs / "zstd-jni-1.5.6-10.jar").unlink(), "is missing"),
        (lambda libs: (libs / "zstd-jni-1.5.6-11.jar").write_bytes(b""), "is not in the lock"),
    ],
)
def test_a_jar_that_is_not_the_locked_one_is_named_with_what_to_do(
    libs, tmp_path, change, complaint
):
    change(libs)
    with pytest.raises(KafkaLaunchError) as told:
        jars.check_jars(libs, tmp_path / "jars.lock")
    assert re.search(rf"zstd-jni-1\.5\.6-1\d\.jar {complaint}", str(told.value))
    assert "Remove that folder" in str(told.value)
    assert "kafka_2.13" not in str(told.value)


def test_a_jar_without_a_version_cannot_be_locked(libs, tmp_path):
    (libs / "kafka.jar").write_bytes(b"")
    with pytest.raises(KafkaLaunchError, match=r"kafka\.jar is not called NAME-VERSION\.jar"):
        jars.write_lock(libs, tmp_path / "jars.lock")


def test_the_lock_is_of_the_versions_that_the_pom_names():
    pom = (jars.HERE / "pom.xml").read_text()
    [kafka] = re.findall(r"<kafka\.version>(.+)</kafka\.version>", pom)
    [log4j] = re.findall(r"<log4j\.version>(.+)</log4j\.version>", pom)
    locked = jars.read_lock()
    assert f"kafka_2.13-{kafka}.jar" in locked
    assert f"log4j-core-{log4j}.jar" in locked
    assert len(locked) > 40


def test_a_wrong_jar_stops_every_start(libs, monkeypatch, capsys):
    monkeypatch.setenv("SWITCH_KAFKA_LIBS", str(libs))
    assert jars.main(["check"]) == 1
    assert "zstd-jni-1.5.6-10.jar has other bytes" in capsys.readouterr().err
    with pytest.raises(KafkaLaunchError):
        jars.fetch_libs(say_nothing)


@pytest.mark.kafka
@pytest.mark.usefixtures("kafka_libs")
def test_what_was_fetched_is_what_is_locked(capsys):
    assert jars.main(["check"]) == 0
    assert "all as jars.lock wants them" in capsys.readouterr().out
