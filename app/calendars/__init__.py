"""Calendars: the trainings of a centre and the bookings of an athlete, as iCalendar feeds."""
