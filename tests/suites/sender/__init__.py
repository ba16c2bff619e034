"""Does the sender keep its word over real sockets, towards storage and towards providers?"""
