"""The page of a report: facts in, charts and sections as one HTML file out. It reads no tables."""
