"""Reconcile: repairs the log once the newer copy of PostgreSQL is gone for good, from what was published of it."""
