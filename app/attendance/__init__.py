"""Attendance: present athletes, no-shows and visits at a centre."""
