"""What maintainers run: the system in containers, built and checked."""
