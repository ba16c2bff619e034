"""The hot side on SQLite: one writer, many calls in one durable commit."""
