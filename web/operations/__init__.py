"""The operations board: what somebody should look at."""
