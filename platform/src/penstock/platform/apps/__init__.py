"""Apps: what stands on the start page, and the OAuth2 clients behind it."""
