"""Sources of datasets: import and fetch: folders, manifests, Parquet, WebDataset, hubs, public data, the demo."""
