"""Tests of trainings and bookings."""
