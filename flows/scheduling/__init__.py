"""From nothing to scheduled: a Prefect server, a work pool, the deployments, a worker; and how to stop them again."""
