"""Red-font forms: what the tax side last reported of each, and the invoice that it serves."""
