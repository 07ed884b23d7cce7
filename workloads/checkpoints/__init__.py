"""Files of weights: what is in them, read one tensor at a time, and quantized weights with the codes that they have there."""
