"""What the model service knows."""
