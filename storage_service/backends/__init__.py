"""What leaves the process: the database, in two dialects."""
