"""What happened: predictions, outcomes, alarms, reviews and the chain that holds them."""
