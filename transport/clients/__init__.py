"""The only makers of Kafka and PostgreSQL clients."""
