"""Charges: which invoice each is on, and which may be invoiced again."""
