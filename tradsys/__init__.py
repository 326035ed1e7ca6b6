"""The `tradsys` command: runs the platform and its stack on one machine. No other package may import this one."""
