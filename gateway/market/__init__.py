"""Public market data: symbols, book, trades, candles."""
