"""Attacks on the program, each with what it tried and what held: `python -m tests.campaign`, or `make campaign`."""
