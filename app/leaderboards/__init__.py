"""Leaderboards: the places, points and ranks of competitions."""
