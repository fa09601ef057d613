"""Where the switch meets the world: logs, sockets, HTTP, clocks, files, PostgreSQL."""
