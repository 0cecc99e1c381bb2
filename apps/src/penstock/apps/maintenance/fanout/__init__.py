"""Where a fit or a backtest runs: here, in processes of this machine, or on a Dask cluster, with the same results."""
