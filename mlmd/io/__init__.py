"""Files and folders: checkpoints, trajectories, run folders, and what proves that they are whole."""
