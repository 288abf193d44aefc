"""The program: its command line, its settings, its logs."""
