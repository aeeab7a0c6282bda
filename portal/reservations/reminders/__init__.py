"""What the engine reminds families of: usual days that nobody has reserved yet, places that become free."""
