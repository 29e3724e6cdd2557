"""The timetable: a week of a centre, by local days."""
