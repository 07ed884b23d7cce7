"""Models for the overlay: their sizes, their weights as it stores them, and their passes through its arithmetic."""
