"""Near duplicates, leaks between splits, and dark, blurred or odd images."""
