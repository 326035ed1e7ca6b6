"""Client frames: what the log says, in the words of clients, encoded once for all of them."""
