"""What a workspace holds: datasets, model runs, trainings, and the logs of what people decide."""
