"""The whole system on one machine: embedded servers, `up` and the demo."""
