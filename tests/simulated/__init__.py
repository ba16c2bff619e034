"""Stand-ins for what lies outside: providers and a model server on loopback, by their documented protocols."""
