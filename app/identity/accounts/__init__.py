"""Accounts, and the staff of centres."""
