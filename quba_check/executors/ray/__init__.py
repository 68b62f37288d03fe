"""Workers that are actors of Ray."""
