"""Statistics of markets: candles, tickers and marks."""
