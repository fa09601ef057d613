"""The gateway's protocol: terminals and HTTP clients on one side, the inbound log on the other."""
