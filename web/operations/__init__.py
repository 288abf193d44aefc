"""What operators see: the board, health, metrics, lag."""
