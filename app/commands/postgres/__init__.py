"""The embedded PostgreSQL: its programs, its server process, and who owns it."""
