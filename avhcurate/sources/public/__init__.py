"""Public datasets with human votes: where they lie, their checksums, licences and citations."""
