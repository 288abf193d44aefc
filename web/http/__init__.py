"""What every route shares: problems, cursors, parameters, waiting, examples."""
