"""The client's resources, one module per noun of the API; all asynchronous."""
