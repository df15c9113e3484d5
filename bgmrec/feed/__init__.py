"""From Parquet to arrays: the only package that imports petastorm."""
