"""The CrossFit API: athletes, their categories and centres, and the trainings they book there."""
