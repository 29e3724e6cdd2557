"""Tests of competitions, their events and entries."""
