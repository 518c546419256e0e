"""What the experiments share: sweeps, reading of finished runs, tables and figures, the page of the study."""
