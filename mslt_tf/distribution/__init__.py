"""Several workers that train one model: who they are, and whether they reach each other."""
