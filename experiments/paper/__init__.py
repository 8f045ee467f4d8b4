"""What the paper says: its systems, its figures, and departures from it."""
