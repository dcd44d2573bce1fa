"""One trainer for all networks and losses: recipe, losses, evaluation, checkpoints, distributed runs."""
