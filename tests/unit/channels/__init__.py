"""What channel code does without a provider, a gateway or a sender."""
