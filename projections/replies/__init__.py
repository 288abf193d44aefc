"""Replies to commands: each kept for as long as its topic keeps it, and all of them counted."""
