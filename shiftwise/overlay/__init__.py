"""``simulate`` of an overlay: what is asked, its passes in time, the accuracy of its arithmetic."""
