"""One module a command: its function `command` is what `tradsys <module>` runs. `tradsys.cli` lists them."""
