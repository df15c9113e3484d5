"""One module per stage of a run, and the run of all of them: what the job files call."""
