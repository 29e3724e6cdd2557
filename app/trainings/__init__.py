"""Trainings at centres, with seats, bookings and a waitlist."""
