"""Competitions: their events, and the athletes who enter."""
