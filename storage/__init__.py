"""What outlives a run: settings, records, snapshots, bundles and the metrics store. Imports nothing above it."""
