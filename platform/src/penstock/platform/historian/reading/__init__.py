"""Questions to the files: ranges, many tags in one pass, and what aggregates are made from."""
