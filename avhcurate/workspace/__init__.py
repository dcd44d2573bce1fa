"""What lies on the disk: files, the database, datasets, runs, jobs and events."""
