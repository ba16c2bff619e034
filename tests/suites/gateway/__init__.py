"""The gateway over real sockets, with a loopback storage that speaks the contract."""
