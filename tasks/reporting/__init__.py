"""What a person sees of a run: pages, pictures, markdown and tables. Nothing here knows Prefect."""
