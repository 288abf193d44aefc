"""The write side: commands in, decided against the event-sourced invoice, events and replies out."""
