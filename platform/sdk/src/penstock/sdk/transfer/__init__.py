"""Moving history in and out: Parquet and CSV files, in parts that can be resumed."""
