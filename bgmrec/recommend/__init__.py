"""From factors to lists: exact blocked top-N, similar items, popularity, filters, and the checks at their door."""
