"""Commands that come over HTTP and are published like any other service's."""
