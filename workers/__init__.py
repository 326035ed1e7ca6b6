"""What happens to records: one folder a stage, the pure kernel, and the shell that holds all I/O."""
