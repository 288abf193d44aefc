"""The read side: pure folds over `invoice.events`, their tables, and the queries that read them."""
