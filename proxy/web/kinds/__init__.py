"""One file per kind of feed: its URLs, as lines of the table of routes, and what each answers."""
