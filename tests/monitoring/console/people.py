"""What the people of the console's tests have in common."""

PASSWORD = "correct horse battery staple"
