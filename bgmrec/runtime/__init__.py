"""What every process needs around the work: command line, logs, Spark session, Java, secrets, memory, metrics."""
