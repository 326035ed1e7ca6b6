"""The order books: price-time priority, one book a symbol."""
