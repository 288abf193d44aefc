"""Other ways to do the same commands, for comparison."""
