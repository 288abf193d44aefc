"""The worker: from records of commands to decisions, batch by batch."""
