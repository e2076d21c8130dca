"""Cameras, rotations and boxes, in numpy. Knows nothing of records; axes and units as in vstkit-records(5)."""
