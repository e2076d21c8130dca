"""vstkit: visual spatial tuning as Unix commands. The library behind the commands; see vstkit(1)."""
