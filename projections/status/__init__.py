"""Read model `status`: where each invoice stands. Its row is the status document that is served and published."""
