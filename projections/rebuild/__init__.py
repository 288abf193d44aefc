"""Rebuilding a read model beside the live one, and switching over while queries continue."""
