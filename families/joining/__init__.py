"""Two households that are one family become one; an adult leaves a household for another home."""
