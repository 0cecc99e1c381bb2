"""Identity: tenants, people, clients, gateways, and the tokens that stand for them."""
