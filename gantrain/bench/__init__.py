"""`gantrain bench`: the speed of the compiled step, in shares of what this machine can do."""
