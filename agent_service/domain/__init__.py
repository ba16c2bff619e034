"""What the agent service knows, without any I/O library."""
