"""The steps of a run. Each module here is one thin Prefect task; the work is done in the libraries below."""
