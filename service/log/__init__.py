"""The log as values: its entries before they are stored, and how large each will be once it is published."""
