"""Centres: the boxes that athletes train at."""
