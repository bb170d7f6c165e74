"""What a person sees of a run: pictures, markdown and tables. Nothing here knows Prefect."""
