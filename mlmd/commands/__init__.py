"""What the root scripts run: from plain configuration values to objects, from objects to a folder of results."""
