"""What the sender knows: how a delivery goes out, when it is tried again, and when not. No I/O library."""
