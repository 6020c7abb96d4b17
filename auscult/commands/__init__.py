"""The commands, by what a person wants to do; each reads the clock and the settings itself."""
