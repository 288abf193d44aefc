"""Read model `details`: the invoice as issued, and everything that became of it, at one version."""
