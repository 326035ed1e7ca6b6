"""Who asks: login, tokens, attempt limits, single-use tickets."""
