"""Workouts, results and the leaderboards of competitions."""
