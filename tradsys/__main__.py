"""`python -m tradsys`."""

from tradsys.cli import main

main()
