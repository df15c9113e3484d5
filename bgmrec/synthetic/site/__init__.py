"""The web site of a music platform over a generated world: pages in three notations, an API, sitemaps, robots.txt."""
