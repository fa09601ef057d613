"""Settings and composition, one module a role."""
