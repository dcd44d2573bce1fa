"""`python -m avhcurate`."""

from avhcurate.cli import run

run()
