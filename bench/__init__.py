"""Benchmarks, their peers, their recorded results."""
