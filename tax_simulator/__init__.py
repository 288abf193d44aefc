"""A simulated tax platform and its connector: it answers every tax request as the real ones would."""
