"""A music platform's web site over a generated world: pages in three notations, a paged API, sitemaps, robots.txt."""
