"""How ratings and factors are laid out as blocks of rows in Spark tables."""
