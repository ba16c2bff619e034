"""The hot side on Postgres: one connection per kind of work, whole groups in a handful of statements."""
