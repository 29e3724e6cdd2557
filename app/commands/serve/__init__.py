"""Serving the API: ``manage.py run``."""
