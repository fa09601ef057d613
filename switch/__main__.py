"""The `switch` command; `python -m switch` is the same."""

import signal


def run() -> None:
    """Run the command; Ctrl-C ends it without a word while its parts are still being imported."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command itself takes it over

    from switch.cli.main import main  # noqa: PLC0415 - what takes long comes after the line above

    main(prog_name="switch")


if __name__ == "__main__":
    run()
