"""What every read model is made of: folding, positions, versions, health."""
