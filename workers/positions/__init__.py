"""Positions, profit and the double-entry ledger."""
