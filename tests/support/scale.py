"""How long the proofs run and on which random load, as the environment says."""

import os

SEED = int(os.environ.get("REDLETTER_TESTS_SEED", "1"))
LONG = "REDLETTER_TESTS_SCALE" in os.environ
"""Whether this is `make prove`."""
SCALE = int(os.environ.get("REDLETTER_TESTS_SCALE", "1"))
"""How many times the short form of each proof is done; `make prove` asks for more."""
LOAD_SECONDS = 600 if LONG else 0
"""Seconds of load with kills at least, while a bug parks invoices; in the short form, as long as the kills take."""
