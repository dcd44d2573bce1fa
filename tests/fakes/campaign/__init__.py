"""Attacks on the program, each with what it tried and what held: `make campaign`."""
