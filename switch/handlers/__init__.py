"""The partition state machine: facts in, records, messages and answers out; no I/O, no clock."""
