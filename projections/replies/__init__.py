"""How commands were answered: counts of acceptances and of refusals by code."""
