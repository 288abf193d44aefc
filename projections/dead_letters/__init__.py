"""Dead letters: where each record that could not be read came from, and why."""
