"""The public name of the training losses; the trainer is in `avhcurate.networks.training`."""
