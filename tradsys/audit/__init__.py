"""Proof from the log: what must hold of its records, and of the rows made from them."""
