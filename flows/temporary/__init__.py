"""Prefect's temporary server, for a command that finds no other: started beside it, and gone with it."""
