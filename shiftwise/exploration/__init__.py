"""The search for designs: what is searched, what is wanted, quick figures of every point, exact ones of the best."""
