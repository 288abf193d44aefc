"""Status documents on their way to the compacted topic `invoice.status`."""
