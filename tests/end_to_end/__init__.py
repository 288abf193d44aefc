"""The whole business, through Kafka and HTTP, as other services see it."""
