"""Return progress: every return there ever was, for those who watch over them."""
