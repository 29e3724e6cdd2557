"""Workouts, how they are scored, and the programme of a centre."""
