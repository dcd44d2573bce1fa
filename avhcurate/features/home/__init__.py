"""What is loaded, how it is spread, and the jobs that bring more."""
