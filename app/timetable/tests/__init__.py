"""Tests of timetable."""
