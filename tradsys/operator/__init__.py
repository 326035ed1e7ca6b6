"""What the operator of a venue decides: symbols, accounts, funds. It is written to the log, and read from there."""
