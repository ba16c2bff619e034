"""What keeps the repository: set-up, checks, generated files. None of it is shipped."""
