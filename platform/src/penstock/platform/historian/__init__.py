"""The historian: samples and the ledger of their arrival, durable in generation files."""
