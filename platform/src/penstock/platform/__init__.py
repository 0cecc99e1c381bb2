"""The PaaS of Penstock: ingest, historian, assets, alarms, API."""
