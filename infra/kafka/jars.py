"""
Kafka's jars: fetched once with mvn, and checked against `jars.lock` at every start.

    python -m infra.kafka.jars check    compare what was fetched with the lock
    python -m infra.kafka.jars lock     write the lock anew, after pom.xml was changed

The lock has one line a jar: name, version, SHA-256. The jars are kept in $SWITCH_KAFKA_LIBS, else
in payment-switch/ of the user's cache folder.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from .machine import (
    KafkaLaunchError,
    Report,
    cache_folder,
    explain_missing,
    locked,
    print_progress,
)

HERE: Final = Path(__file__).resolve().parent
LOCK: Final = HERE / "jars.lock"
_JAR_NAME: Final = re.compile(r"(?P<name>.+?)-(?P<version>\d[\w.-]*)\.jar")


def find_missing_tools() -> list[str]:
    """Return a sentence for each tool that is needed and not installed."""
    return explain_missing(["java"] if libs_folder().is_dir() else ["java", "mvn"])


def fetch_libs(report: Report = print_progress) -> Path:
    """
    Return the folder with Kafka's jars, as the lock wants them; fetch them if there are none.

    Several processes may ask at once: one fetches, the others wait. The folder appears whole.

    Raises:
        KafkaLaunchError: a tool is missing, the download failed, or a jar is not the locked one.
    """
    libs = libs_folder()
    if not libs.is_dir():
        if missing := find_missing_tools():
            raise KafkaLaunchError("\n".join(missing))
        libs.parent.mkdir(parents=True, exist_ok=True)
        with locked(libs.with_suffix(".lock")):
            if not libs.is_dir():
                _fetch_into(libs, report)
    check_jars(libs)
    return libs


def libs_folder() -> Path:
    """Return where the jars of this pom.xml are, or will be."""
    if named := os.environ.get("SWITCH_KAFKA_LIBS"):
        return Path(named)
    digest = hashlib.sha256((HERE / "pom.xml").read_bytes()).hexdigest()[:12]
    return cache_folder() / f"kafka-{digest}"


def check_jars(libs: Path, lock: Path = LOCK) -> None:
    """
    Compare every jar with the lock: 44 MB in less than a tenth of a second.

    Raises:
        KafkaLaunchError: one is missing, another, or too many; the message names it.
    """
    wanted = read_lock(lock)
    found = {path.name: path for path in libs.glob("*.jar")}
    if complaints := list(_compare(wanted, found)):
        raise KafkaLaunchError(
            f"the jars in {libs} are not those of {lock.name}:\n  "
            + "\n  ".join(complaints)
            + "\nRemove that folder, and they are fetched again. If pom.xml was changed on purpose:"
            " python -m infra.kafka.jars lock"
        )


def read_lock(lock: Path = LOCK) -> dict[str, str]:
    """Return file name -> SHA-256 of every jar that must be there, and of no other."""
    rows = [line.split() for line in lock.read_text(encoding="utf-8").splitlines()]
    return {f"{name}-{version}.jar": digest for name, version, digest in rows}


def write_lock(libs: Path, lock: Path = LOCK) -> int:
    """
    Write the lock from the jars of a folder; return their number.

    Raises:
        KafkaLaunchError: a jar's name does not tell its version.
    """
    lines = []
    for path in sorted(libs.glob("*.jar")):
        parts = _JAR_NAME.fullmatch(path.name)
        if parts is None:
            raise KafkaLaunchError(f"{path.name} is not called NAME-VERSION.jar")
        lines.append(f"{parts['name']} {parts['version']} {_digest(path)}\n")
    lock.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def _compare(wanted: Mapping[str, str], found: Mapping[str, Path]) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in wanted:
            yield f"{name} is not in the lock, and all that lies there would be run"
        elif _digest(found[name]) != wanted[name]:
            yield f"{name} has other bytes than the lock says"


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetch_into(libs: Path, report: Report) -> None:
    report("fetching Kafka (44 MB) with mvn, once ...")
    with tempfile.TemporaryDirectory(dir=libs.parent) as folder:
        fetched = Path(folder) / "libs"
        run_maven(fetched, report)
        check_jars(fetched)
        fetched.rename(libs)
    report(f"Kafka is in {libs}")


def run_maven(folder: Path, report: Report) -> None:
    """
    Let mvn copy what pom.xml names, and what that needs, into a folder.

    Raises:
        KafkaLaunchError: it could not; the message holds its last words.
    """
    command = ["mvn", "-B", "-f", str(HERE / "pom.xml"), "dependency:copy-dependencies"]
    command.append(f"-DoutputDirectory={folder}")
    tail: list[str] = []
    copied_count = 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as maven:
        assert maven.stdout is not None
        for line in maven.stdout:
            tail = [*tail[-14:], line.rstrip()]
            if "Downloading from" in line and line.rstrip().endswith(".jar"):
                report(f"  fetching {line.rstrip().rsplit('/', 1)[-1]}")
            copied_count += "Copying " in line
    if maven.returncode or not copied_count:
        raise KafkaLaunchError("mvn could not fetch Kafka:\n" + "\n".join(tail))
    report(f"  {copied_count} jars")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parser = argparse.ArgumentParser(description="Kafka's jars and their lock.")
    parser.add_argument("command", choices=("check", "lock"))
    options = parser.parse_args(arguments)
    try:
        if options.command == "check":
            libs = fetch_libs()
            print(f"{len(read_lock())} jars in {libs}, all as {LOCK.name} wants them")
        else:
            with tempfile.TemporaryDirectory() as folder:
                run_maven(Path(folder) / "libs", print_progress)
                print(f"{write_lock(Path(folder) / 'libs')} jars written to {LOCK}")
    except KafkaLaunchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
