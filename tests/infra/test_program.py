"""The measure itself: it must find what is wrong."""

import click
import pytest

from switch.apps.settings_sources import SettingsError
from tests.infra.program import ROLES, check_command, check_image, read_settings


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_is_run_properly_passes(role):
    assert str(check_command([role, "--data", "d"])["data_dir"]) == "d"


@pytest.mark.parametrize(
    "words", [["gatewai"], ["gateway"], ["gateway", "--dat", "d", "--x"], ["topics", "make"]]
)
def test_a_command_that_the_program_does_not_know_is_found(words):
    with pytest.raises(click.UsageError):
        check_command(words)


@pytest.mark.parametrize(
    ("name", "value"), [("SWITCH__LOG__URI", "x"), ("SWITCH__LOG__PARTITION_COUNT", "many")]
)
def test_a_setting_that_cannot_be_is_found(name, value):
    with pytest.raises(SettingsError):
        read_settings({name: value})


@pytest.mark.parametrize("image", ["postgres", "postgres:latest", "images.example.com/postgres:18"])
def test_an_image_without_a_version_or_with_a_host_is_found(image):
    with pytest.raises(AssertionError):
        check_image(image)
