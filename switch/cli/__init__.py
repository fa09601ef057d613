"""Commands of the `switch` program."""
