"""The API as a whole: assembly of the features' routes, OpenAPI, probes, start page."""
