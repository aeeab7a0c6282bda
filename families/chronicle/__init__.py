"""« Mon historique »: all that was done for a household, told by each app that knows something of it."""
