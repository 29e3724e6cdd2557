"""Results of athletes: in events of competitions, and on the whiteboards of centres."""
