"""Public datasets: where each is, under which terms, and how its files become samples and votes."""
