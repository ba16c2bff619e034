"""What came in, and why was it not believed? For the person who sets a channel up."""
