"""`python -m avhcurate`."""

from avhcurate.cli import main

main()
