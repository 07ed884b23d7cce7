"""What runs beside or inside the simulator: the stimulus player and its cocotb module."""
