"""Other programs that do the same work, or the least part of it, on the same banks and for the same customers."""
