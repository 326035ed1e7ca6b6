"""The main job on real input: recorded order flow through the whole platform, proved at the end."""
