"""Images and networks: loading, running, training, scoring, neighbours."""
