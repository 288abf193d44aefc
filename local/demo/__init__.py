"""The demo: `redletter demo`."""
