"""How a champion does today: the labelled rows that came since it was trained, what it says of them, and a verdict."""
