"""The journal: who wrote what, and when. Its table is in ``app/core/db/journal.py``."""
