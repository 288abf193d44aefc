"""The whole system on one machine: embedded servers, `up`, the demo, the tax platform's simulator."""
