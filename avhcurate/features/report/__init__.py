"""A report of a dataset in one HTML file that asks for nothing else."""
