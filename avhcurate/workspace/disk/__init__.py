"""Files that are whole or absent: Parquet shards, job folders, the database, remote files, archives."""
