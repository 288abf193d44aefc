"""How fast commands become events, beside the documented way of doing it and beside the bare minimum of work."""
