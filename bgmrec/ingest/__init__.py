"""Raw logs and crawl dumps → staged tables; every rejected row is kept with its reason."""
