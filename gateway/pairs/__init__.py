"""Pairs of symbols."""
