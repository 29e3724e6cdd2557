"""The CrossFit API: athletes, their categories, and the centres they train at."""
