"""The report of a run: facts gathered from its tables, and one HTML page made of them."""
