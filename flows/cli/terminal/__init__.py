"""What the command prints: tables for a person, JSON for a program. Nothing is computed here."""
