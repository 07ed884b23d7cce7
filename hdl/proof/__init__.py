"""What is proved for all inputs, and wrong bits that the verification must find."""
