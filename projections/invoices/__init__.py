"""The list of invoices: "Invoice Download and Refund"."""
