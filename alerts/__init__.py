"""Alert rules, the messages they make, and getting those to people exactly once."""
