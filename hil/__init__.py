"""Training in the loop with the hardware: updates to pulses, pulses through the drivers, weights read back."""
