"""The hot side on SQLite: one writer thread, many calls in one durable commit."""
