"""The metrics store: tables, engines and `MetricsStore`. The only place that imports SQLAlchemy for it."""
