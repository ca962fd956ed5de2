"""The levels as recipes: the only place where the stages are composed."""
