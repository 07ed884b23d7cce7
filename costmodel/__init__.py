"""Area, energy and time of a design: synthesis runs, measured data, technologies with their sources."""
