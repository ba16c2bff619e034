"""What to say: turns of conversations in, replies out."""
