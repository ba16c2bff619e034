"""What the model service knows, without any I/O library."""
