"""Facts of a report: numbers and short texts that Spark reads from the tables of a run."""
