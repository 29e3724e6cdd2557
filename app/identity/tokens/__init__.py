"""Tokens: sessions, personal tokens and devices; JWTs; and the callers they belong to."""
