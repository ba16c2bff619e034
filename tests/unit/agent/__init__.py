"""What the agent service knows."""
