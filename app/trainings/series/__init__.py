"""Series: the weekly trainings of a centre."""
