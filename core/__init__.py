"""Pure core: plain data and functions. No I/O, no async, no clock, no randomness of its own."""
