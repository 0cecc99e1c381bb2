"""The files of history: hot DuckDB generations, sealed runs with their summaries, the manifest, and views of them."""
