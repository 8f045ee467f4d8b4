"""What the benchmark scripts measure, and how."""
