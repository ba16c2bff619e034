"""Front doors to what is kept and said: one file per service, request in, reply out, no decisions."""
