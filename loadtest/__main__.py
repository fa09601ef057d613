"""`python -m loadtest`."""

from loadtest.program import main

main()
