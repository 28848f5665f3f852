"""What drives payments: async, and only through ports."""
