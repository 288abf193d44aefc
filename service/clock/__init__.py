"""The clock: asks the tax side, asks again until it answers, and marks what is overdue.

Reads the events like a projector, keeps its timers in PostgreSQL in the transaction of its positions, and publishes at
least once, with ids that follow from the return, so that repeats are harmless.
"""

from service.clock.role import run

__all__ = ["run"]
