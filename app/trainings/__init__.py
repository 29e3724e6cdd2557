"""Trainings: who trains where and when, with seats, bookings and a waitlist."""
