"""Load from the outside: open-loop terminals, a report, a correctness audit, benchmarks."""
