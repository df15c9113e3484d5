"""Ratings and factors as blocks of rows in Spark tables."""
