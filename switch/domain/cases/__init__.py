"""Cases: what the switch cannot settle by itself, and what operators do about it."""
