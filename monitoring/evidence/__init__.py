"""Sequential evidence of change: bets, streams, alarms, power and what may be claimed."""
