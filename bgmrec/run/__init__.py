"""A run of one logical date: its identity, working tables and state, its summary, and the lock on the date."""
