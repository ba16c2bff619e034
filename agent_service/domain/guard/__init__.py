"""What may be said to the agent and by it? Rules over words, the judge for what they only suspect, and what is told."""
