"""The web chat page in a real browser."""
