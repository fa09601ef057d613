"""`python -m switch` is the `switch` command."""

from switch.cli.main import main

main(prog_name="switch")
