"""A generated world of background music, of any size: people, music, plays, and the raw files they leave."""
