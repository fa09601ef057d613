"""A payment switch: terminals in, one debit at most, every answer explained."""

__version__ = "0.1.0"
