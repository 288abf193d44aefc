"""Changes as they happen: status documents pushed to whoever listens."""
