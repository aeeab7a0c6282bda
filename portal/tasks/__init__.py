"""What the worker does: what goes first, how often a task may begin, who does it, what a dead worker left."""
