"""A tax platform with books of its own, and its connector: answers every tax request as the real ones would."""
