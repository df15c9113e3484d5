"""The page of a report: charts and sections made of plain facts, and one HTML file of them. Reads no tables."""
