"""Read model `details`: the invoice as issued, and everything that happened to it, at one version."""
