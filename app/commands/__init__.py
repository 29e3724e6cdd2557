"""The commands of ``manage.py``, and the embedded PostgreSQL that they start."""
