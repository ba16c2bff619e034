"""Does the whole mesh keep its promises: real processes, real databases, real sockets, simulated providers?"""
