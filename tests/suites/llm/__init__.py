"""What every model backend does, and what the model service makes of one that is ill."""
