"""A model over a dataset: embeddings and scores, shard by shard."""
