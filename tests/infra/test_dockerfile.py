import re
import tomllib

import pytest

from tests.infra.program import INFRA, check_command, check_image

ROOT = INFRA.parent
TEXT = (INFRA / "Dockerfile").read_text()
STEPS = [
    (word, rest.strip())
    for word, rest in re.findall(r"^([A-Z]+) (.+)$", TEXT.replace("\\\n", " "), re.MULTILINE)
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def find_steps(word):
    return [rest for name, rest in STEPS if name == word]


def test_images_have_versions_and_no_host():
    for image in find_steps("FROM"):
        check_image(image.partition(" ")[0])


def test_the_interpreter_is_one_that_the_project_allows():
    lowest = tuple(map(int, PROJECT["project"]["requires-python"].removeprefix(">=").split(".")))
    for image in find_steps("FROM"):
        version = re.match(r"python:(\d+)\.(\d+)", image)
        assert lowest <= tuple(map(int, version.groups())) < (3, 15)


def test_what_the_wheel_is_made_of_is_copied():
    copied = {
        source
        for step in find_steps("COPY")
        if not step.startswith("--from")
        for source in step.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in copied)
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    wanted |= set(wheel["packages"]) | set(wheel["force-include"])
    missing = [
        one for one in wanted if not any(one == c or one.startswith(f"{c}/") for c in copied)
    ]
    assert not missing


def test_nothing_else_is_sent_to_the_builder():
    lines = (INFRA / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = {
        source
        for step in find_steps("COPY")
        if not step.startswith("--from")
        for source in step.split()[:-1]
    }
    assert kept == copied


def test_the_image_keeps_nothing_that_a_later_step_removes():
    # a copy stays in its own layer, even when the next one removes it: the image is no smaller
    last = TEXT.rpartition("\nFROM ")[2]
    assert "rm -r" not in last
    assert re.findall(r"^COPY (.+)$", last, re.MULTILINE) == ["--from=build /installed /usr/local"]


def test_it_runs_as_nobody_in_particular():
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", find_steps("USER")[-1])


def test_it_runs_the_command_of_the_project_and_stops_on_a_signal_that_it_knows():
    assert find_steps("ENTRYPOINT") == ['["switch"]']
    assert "switch" in PROJECT["project"]["scripts"]
    assert find_steps("STOPSIGNAL") == ["SIGTERM"]
    with pytest.raises(BaseException, match="0"):  # click's own way to end after --help
        check_command(["--help"])


def test_the_version_said_is_the_projects():
    assert f"payment-switch:{PROJECT['project']['version']} " in TEXT
