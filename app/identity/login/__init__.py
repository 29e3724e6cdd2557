"""Logging in: passwords, throttling, and the codes of invitations and resets."""
