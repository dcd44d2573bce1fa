"""Rounds of selecting pseudo-labels on a target and learning from them and the source."""
