"""The stage contract and its proof: batches, journal, snapshots, replay. Pure: no I/O, no clock, no randomness."""
