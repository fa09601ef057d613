"""What must hold, checked by code that shares nothing with the switch but the wire and JSON."""
