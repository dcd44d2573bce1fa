"""One plugin of each kind. Each has a module of its own, which imports no more than it needs."""
