"""Feed tables in Parquet → arrays: the only package that imports petastorm."""
