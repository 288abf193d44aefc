"""How records travel: positioned reading, fenced writing. Knows Kafka and PostgreSQL, and nothing of invoices."""
