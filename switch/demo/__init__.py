"""The demo world: registry, issuer simulator, tour."""
