"""Storage: column names, schemas, files, Parquet tables, binary arrays, time literals and the model store."""
