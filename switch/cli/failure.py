"""How a command fails: one clear line on stderr and a stable exit code."""

from typing import IO, Any, Final

import click

# Stable: scripts depend on them. 0 done, 1 the answer is "no" (declined, not found).
EXIT_NO: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_RUNNING: Final = 3  # no instance to talk to
EXIT_IN_USE: Final = 4  # port busy, data folder held by another process
EXIT_FOREIGN_FOLDER: Final = 5  # the data folder is not ours, or of another version
EXIT_FAULT: Final = 6  # could not try: log, network or component failed
EXIT_WRONG: Final = 7  # looked, and found wrong: another decision, money not where it must be
EXIT_INTERRUPTED: Final = 130  # Ctrl-C before there was anything to stop; as shells have it


class CommandFailure(click.ClickException):
    """A command ends here, with a message that says what to do and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code: int = exit_code  # type: ignore[misc]  # click declares it for the class

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, in red on a terminal."""
        click.secho(f"switch: {self.format_message()}", file=file, fg="red", err=file is None)


def usage_failure(message: str) -> CommandFailure:
    """Build the failure for a wrong argument or setting (exit code 2)."""
    return CommandFailure(message, EXIT_USAGE)


def not_running_failure(message: str) -> CommandFailure:
    """Build the failure for a command that needs a running instance (exit code 3)."""
    return CommandFailure(message, EXIT_NOT_RUNNING)
