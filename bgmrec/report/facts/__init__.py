"""Facts of a report: small plain numbers, gathered from the tables of a run by Spark."""
