"""The gallery of the documentation: each processing element as a block diagram, with its ports, its pace and its size."""
