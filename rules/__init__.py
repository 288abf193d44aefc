"""What the write side and the read side must agree on. Pure: no I/O, no clock, no framework."""
