"""What storage knows without a database."""
