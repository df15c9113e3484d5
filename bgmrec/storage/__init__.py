"""Where data lies: column names, schemas, files, Parquet tables, binary arrays and the model store."""
