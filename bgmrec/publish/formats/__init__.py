"""Table formats of the published tables: plain Parquet, Delta Lake and Apache Iceberg."""
