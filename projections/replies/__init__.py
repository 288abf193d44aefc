"""Counts of the replies to commands: acceptances, and refusals by code."""
