"""History: every event of an invoice, as it was published."""
