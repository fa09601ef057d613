"""The event log: envelopes, the port with its memory twin, claims and the void rule."""
