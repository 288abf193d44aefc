"""What holds while processes are killed, frozen and cut off."""
