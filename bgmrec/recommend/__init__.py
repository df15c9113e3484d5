"""From factors to lists: candidates, exact top-N, similar items, popularity, reasons, and checks of the lists."""
