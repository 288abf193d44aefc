"""Red-font forms: what was last told of each, and the invoice that it serves."""
