"""Stand-ins that tests share: a web server, databases, datasets, workspaces and a recorded training."""
