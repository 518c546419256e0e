"""Files and folders: checkpoints, trajectories and run folders, written atomically and verified when read."""
