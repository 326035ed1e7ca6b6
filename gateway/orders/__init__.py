"""Orders: from a request to a sealed command, and the answers."""
