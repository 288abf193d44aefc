"""The invoice: its states, its rules, and what it claims. Pure: no I/O, no clock, no framework."""
