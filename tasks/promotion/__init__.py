"""The promotion rule: evaluations in, decisions out. It reads no file and no database."""
