"""What git's hooks run: they parse what git hands them, ask for the verdict, and say it."""
