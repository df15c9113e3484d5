"""Raw logs and crawl dumps → staged tables, with every refused row kept beside its reason."""
