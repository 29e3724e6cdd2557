"""The versions of the API; each lists the routers of its features."""
