"""Athletes: who they are, the category they compete in, and the centres they train at."""
