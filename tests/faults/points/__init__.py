"""Crash points: every role killed with SIGKILL before and after each function that moves its work on."""
