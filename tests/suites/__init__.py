"""One conformance suite per replaceable thing."""
