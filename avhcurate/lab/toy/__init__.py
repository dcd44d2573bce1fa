"""AVH and norm against the exact Bayes error, on a network trained live."""
