"""What storage knows, without a database: the rules of lanes, turns and deliveries."""
