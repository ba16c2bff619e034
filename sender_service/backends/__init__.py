"""What leaves the process: calls to storage and to providers."""
