"""Stand-ins and phones, without a network."""
