"""What an overlay takes of its board, and what it spends there."""
