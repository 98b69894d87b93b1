"""Domain walls as two collective coordinates, position and angle, with thermal noise: the finest of the models."""
