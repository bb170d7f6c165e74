"""The steps, oldest first. Their numbers are in `storage.metrics.tables.REVISIONS`."""
