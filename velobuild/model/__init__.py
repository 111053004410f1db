"""Pure values, no I/O: what every layer speaks about."""
