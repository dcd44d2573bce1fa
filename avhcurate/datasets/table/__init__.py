"""The one table of a dataset: samples, scores, votes and annotations, filtered and sorted."""
