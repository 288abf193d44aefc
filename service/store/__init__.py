"""The store of the write side: all SQL and all columns of the log."""
