"""A look at a user's files without Spark: formats, columns, types and what each column probably means."""
