"""The neighbour graph of a run: the nearest samples of every sample by angle, searched once and used by all."""
