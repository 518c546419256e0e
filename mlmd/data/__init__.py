"""Training data: reference trajectories, users' own trajectories, visited states, and the batches made of them."""
