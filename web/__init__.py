"""HTTP: queries, commands, the stream of changes, and the pages that people look at."""
