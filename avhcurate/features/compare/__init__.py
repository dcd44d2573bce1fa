"""Models side by side: all runs of a dataset, a pair, slices."""
