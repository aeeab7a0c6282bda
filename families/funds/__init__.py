"""What the CAF and the MSA answer of a family's quotient, once the family has said yes."""
