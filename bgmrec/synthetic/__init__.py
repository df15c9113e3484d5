"""A generated world of background music of any size: users, music, plays, and their raw files."""
